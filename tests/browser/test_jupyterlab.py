"""The same explorer files live in JupyterLab: the arrow keys reach them, and the kernel sees what they set."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.browser.waits import until

ROOT = Path(__file__).resolve().parents[2]
CELLS = [
    "from tests.test_widgets import CHIPS, RECORDINGS\nfrom dtsnn_lite.widgets.exit_explorer import ExitExplorer\n"
    "explorer = ExitExplorer(RECORDINGS[0], CHIPS)\nexplorer",
    "explorer.chip = 'proportional'",
    "print('the kernel has', explorer.theta)",
]


def notebook(path: Path) -> None:
    cells = [{"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
             for i, source in enumerate(CELLS)]
    cells.insert(0, {"cell_type": "markdown", "id": "text", "metadata": {}, "source": '<a href="#exit?v=1&theta=0.2">theta = 0.2</a>'})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}), "utf8")


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


@pytest.fixture
def jupyterlab(tmp_path):
    """The address of a JupyterLab with one notebook, on this machine only, with settings of its own."""
    pytest.importorskip("jupyterlab")
    notebook(tmp_path / "explorer.ipynb")
    port, home = free_port(), str(tmp_path / "home")
    places = {name: home for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    server = subprocess.Popen(command, env={**os.environ, **places, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=5)
            break
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, "JupyterLab did not start"
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait()


def test_an_explorer_lives_in_jupyterlab_in_both_directions(browser, jupyterlab):
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{jupyterlab}/lab/tree/explorer.ipynb?reset")
    page.get_by_text("| Idle").wait_for()                        # a cell that runs before the kernel is there is lost
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    slider = page.locator("[data-field=theta] input")
    slider.wait_for()
    until(page, "document.querySelector('[data-field=chip] select').value === 'proportional'")    # the kernel set it

    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.365"                       # JupyterLab did not take the arrow keys
    assert kernel_prints(page) == "the kernel has 0.365"

    page.get_by_role("link", name="theta = 0.2").click()
    assert slider.input_value() == "0.2"
    page.get_by_role("button", name="Reset").focus()
    page.keyboard.press("Enter")
    assert slider.input_value() == "0.35"                        # nor the Enter key
    context.close()


def kernel_prints(page) -> str:
    """What the last cell prints when it is run now."""
    last = page.locator(".jp-CodeCell").last
    last.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    printed = last.locator(".jp-OutputArea-output")
    printed.wait_for()
    return printed.inner_text().strip()
