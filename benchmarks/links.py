"""G17: how long a reader on a slow phone waits for the explorer that a shared link leads to.

    python -m benchmarks.links FOLDER [ANOTHER FOLDER ...] [--rounds 5]

Each folder is a built book (_build/html); their visits alternate, since on a shared machine only what is measured side by side
can be compared. A phone's window, a processor four times slower, and Lighthouse's slow 4G: 150 ms a round trip, of which a request
takes several, and 1.6 Mbit/s, both as its own throttling in the browser sets them. Medians of seconds since the link was followed:

painted     the page's first words or pictures
in view     the explorer of the link stands in the window, though perhaps as a picture yet
alive       it is in view and answers
scripts     seconds of the main thread's long tasks until then
kB          what had come until then, compressed
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import json
import statistics
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tools.chromium import ARGUMENTS, chromium_path

LINKS = {
    "dtsnn": "exit?v=1&theta=0.2", "seenn1": "exit?v=1&theta=0.7", "cifar10": "exit?v=1&theta=0.2", "edp_scaling": "design?v=1&rows=64",
}
NAMES = {"exit": "Exit explorer", "design": "Design explorer"}      # what a screen reader calls them
RTT_MS, MBIT_S, SLOWER = 150, 1.6, 4
# What DevTools delays is a whole request, and a real one takes round trips for name, connection and server: Lighthouse's factors.
SLOW_4G = {"offline": False, "latency": 3.75 * RTT_MS, "downloadThroughput": 0.9 * MBIT_S * 1e6 / 8, "uploadThroughput": 0.9 * 0.75e6 / 8}
PACKED = ("text/", "application/javascript", "application/json", "image/svg+xml")
WATCH = f"const NAMES = {json.dumps(NAMES)};" + """{
  const seen = (window.seen = { inView: 0, alive: 0, busy: 0 });
  new PerformanceObserver((list) => { for (const task of list.getEntries()) seen.busy += seen.alive ? 0 : task.duration; })
    .observe({ type: "longtask", buffered: true });
  const look = setInterval(() => {
    const box = document.querySelector(`.dtsnn[aria-label="${NAMES[location.hash.slice(1).split("?")[0]]}"]`)?.closest(".afm");
    const picture = box?.querySelector("svg[role=img]")?.getBoundingClientRect();
    if (!picture || picture.bottom <= 0 || picture.top >= innerHeight || !document.body.checkVisibility()) return;
    seen.inView ||= performance.now();
    if (box.dataset.view !== "live") return;
    seen.alive = performance.now();
    clearInterval(look);
  }, 50);
}"""
FOUND = """() => ({ ...seen, painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((it) => it.responseEnd <= seen.alive).reduce((sum, it) => sum + it.encodedBodySize, 0) })"""


class Packed(http.server.SimpleHTTPRequestHandler):
    """Files as a host of pages sends them: text compressed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        kind = self.guess_type(path)
        is_packed = kind.startswith(PACKED) or kind == "text/javascript"
        data = packed(path) if is_packed else path.read_bytes()
        self.send_response(200)
        headers = {"Content-Type": kind, "Content-Length": str(len(data)), **({"Content-Encoding": "gzip"} if is_packed else {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@functools.cache
def packed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


def visit(browser: Browser, address: str) -> dict[str, float]:
    """One reader without a cache, who follows one link."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True, has_touch=True)
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", SLOW_4G)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(WATCH)
    page.goto(address, wait_until="commit")
    page.wait_for_function("seen.alive", polling=250, timeout=60_000)
    found: dict[str, Any] = page.evaluate(FOUND)
    context.close()
    return {"painted": found["painted"] / 1e3, "in view": found["inView"] / 1e3, "alive": found["alive"] / 1e3,
            "scripts": found["busy"] / 1e3, "kB": found["bytes"] / 1e3}


def measured(browser: Browser, homes: Sequence[str], rounds: int) -> dict[tuple[str, str], dict[str, float]]:
    """(chapter, book) -> the median of each measure; books alternate."""
    visits: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for name, link in LINKS.items():
            for home in homes:
                visits.setdefault((name, home), []).append(visit(browser, f"{home}/book/{name}.html#{link}"))
    return {key: {what: statistics.median(one[what] for one in all_) for what in all_[0]} for key, all_ in visits.items()}


def serve(folder: Path) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Packed, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("books", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    servers = {f"http://127.0.0.1:{server.server_port}": folder for folder in given.books for server in [serve(folder)]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        table = measured(browser, list(servers), given.rounds)
        browser.close()
    for (name, home), row in table.items():
        print(f"{name:12}  {servers[home]}  " + "  ".join(f"{what} {value:.2f}" for what, value in row.items()))


if __name__ == "__main__":
    main()
