"""G7: what a move of the exit threshold costs in the page, and what the page carries.

Ten thousand images, four timesteps, in headless Chromium: building the exit tables, one move of the
threshold (arithmetic alone), one move with everything drawn, and from an input event to the next paint.
"""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.timing import Row, at_most, peer
from dtsnn_lite.widgets.exit_explorer import ExitExplorer
from tests.browser.test_explorers import write_page
from tests.test_widgets import CHIPS, recording

MEASURE = """async () => {
  const { exitNumbers, exitTables, positionOf, unpack } = MODULE[0], [set] = unpack(MODELS[0]);
  const T = set.timesteps, N = set.images, chip = set.chips[0], median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
  const timed = (work) => { const start = performance.now(); work(); return performance.now() - start; };
  const position = (theta) => positionOf(theta, set.rules.entropy, set.positions);
  let tables, sum = 0;
  const build = median(Array.from({ length: 41 }, () => timed(() => { tables = exitTables(set, "entropy", 1); })));
  const move = median(Array.from({ length: 41 }, () => timed(() => {
    for (let k = 0; k < 20100; k++) sum += exitNumbers(tables, chip, position((k % 201) / 200), T, N).edp_pj_ns;
  }))) / 20100;
  const [slider, other] = ["theta", "gamma"].map((name) => document.querySelector(`#live0 [data-field=${name}] input`));
  const moved = (k) => { slider.value = (k * 37 % 201) / 200; slider.dispatchEvent(new Event("input", { bubbles: true })); };
  const draw = median(Array.from({ length: 200 }, (_, k) => timed(() => moved(k))));
  const turned = (k) => { other.value = (k % 9) / 4; other.dispatchEvent(new Event("input", { bubbles: true })); };
  const turn = median(Array.from({ length: 90 }, (_, k) => timed(() => turned(k))));
  const paints = [];
  for (let k = 0; k < 120; k++) {
    await new Promise((done) => setTimeout(done, 5));
    const start = performance.now();
    moved(k);
    await new Promise((done) => requestAnimationFrame(() => {
      const port = new MessageChannel(); port.port1.onmessage = done; port.port2.postMessage(0);
    }));
    paints.push(performance.now() - start);
  }
  paints.sort((a, b) => a - b);
  return { build_ms: build, move_us: 1000 * move, draw_ms: draw, turn_ms: turn,
    paint_median_ms: paints[60], paint_p95_ms: paints[114], sum };
}"""


def in_chromium(explorer: ExitExplorer) -> dict:
    """The timings of one explorer on a page opened from a file."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(write_page(Path(folder) / "page.html", [explorer]))
        page.wait_for_function("window.ready")
        runs = [page.evaluate(MEASURE) for _ in range(3)]
        browser.close()
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def rows() -> Iterator[Row]:
    """The page's own clock; the goals ask for absolute times."""
    explorer = ExitExplorer(recording(10_000), CHIPS)
    found = in_chromium(explorer)
    data = b64encode(explorer.bytes) + json.dumps(explorer.data).encode()
    yield at_most("G7", "exit tables of 10,000 images, built once", found["build_ms"], 1.0, " ms")
    yield at_most("G7", "one move of the threshold, arithmetic", found["move_us"], 1.0, " us")
    yield peer("G7", "  one move, everything drawn", found["draw_ms"], " ms")
    yield at_most("G7", "one move of gamma, the threshold found anew, everything drawn", found["turn_ms"], 16.7, " ms")
    yield at_most("G7", "slider to paint, median", found["paint_median_ms"], 16.7, " ms")
    yield at_most("G7", "slider to paint, 95th percentile (two frames)", found["paint_p95_ms"], 33.3, " ms")
    yield at_most("G7", "its data in the page, three scores at nine gammas, gzipped", len(gzip.compress(data)) / 1e3, 60, " kB")
