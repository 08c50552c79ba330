"""What the book's extension makes of a widget: a box, a still view, and the state once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "extensions"))

from stopwhensure import freshness, live_widgets  # noqa: E402

STILL = '<svg role="img" aria-label="a curve"></svg><table><tr><td>1.26 timesteps</td></tr></table>'


def anywidget(**state: object) -> dict:
    """A model as myst-nb embeds it."""
    return {"model_module": "anywidget", "state": {"_esm": "export default {}", "min_height": 480, **state}}


def view(model_id: str) -> str:
    return f'<script type="application/vnd.jupyter.widget-view+json">{json.dumps({"model_id": model_id})}</script>'


def page(models: dict[str, dict], body: str) -> dict:
    """A page's context as the extension meets it."""
    block = SimpleNamespace(attributes={"type": live_widgets.STATE_TYPE, "body": json.dumps({"state": models})})
    other = SimpleNamespace(attributes={}, filename="theme.js")
    return {"script_files": [other, block], "body": body, "pathto": lambda target, _: f"../{target}"}


def placed(models: dict[str, dict], body: str) -> dict:
    context = page(models, body)
    live_widgets.place_widgets(None, "book/page", "page.html", context, None)
    return context


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """What the extension warns of; a warning fails the build."""
    told: list[str] = []
    monkeypatch.setattr(live_widgets, "LOGGER", SimpleNamespace(warning=lambda text, **_: told.append(text)))
    return told


def test_a_widget_stands_in_a_box_that_keeps_its_height_around_its_still_view():
    body = placed({"one": anywidget(static_html=STILL)}, f"<p>text</p>{view('one')}")["body"]
    assert f'<div class="afm" style="min-height:480px"><div class="afm-still">{STILL}</div>{view("one")}</div>' in body


def test_the_still_view_stands_in_the_page_once():
    assert placed({"one": anywidget(static_html=STILL)}, view("one"))["body"].count("1.26 timesteps") == 1


def test_two_views_of_one_model_are_two_boxes_with_the_same_still_view():
    body = placed({"one": anywidget(static_html=STILL)}, view("one") * 2)["body"]
    assert body.count('class="afm"') == body.count(STILL) == 2


def test_the_state_comes_after_the_text_and_the_host_after_the_state():
    context = placed({"one": anywidget(static_html=STILL)}, f"{view('one')}<p>last words</p>")
    body = context["body"]
    assert body.index("last words") < body.index(live_widgets.STATE_TYPE) < body.index("../_static/widget-host.js")
    assert [script.attributes for script in context["script_files"]] == [{}]


def test_no_text_in_the_state_can_end_its_block():
    body = placed({"one": anywidget(static_html=STILL, note="</script><img src=x onerror=alert(1)>")}, view("one"))["body"]
    block = body.split(f'<script type="{live_widgets.STATE_TYPE}">')[1].split("</script>")[0]
    assert json.loads(block)["state"]["one"]["state"]["note"].startswith("</script>")


def test_models_that_only_jupyter_needs_stay_out_of_the_page():
    layout = {"model_module": "@jupyter-widgets/base", "state": {"width": "wide layout"}}
    assert "wide layout" not in placed({"one": anywidget(static_html=STILL), "two": layout}, view("one"))["body"]


def test_a_page_without_widgets_gets_no_host():
    assert placed({}, "<p>text</p>")["body"] == "<p>text</p>"


def test_a_widget_without_a_still_view_fails_the_build(warnings):
    placed({"one": anywidget()}, view("one"))
    assert "no static_html" in warnings[0]


@pytest.mark.parametrize("bad", ["<script>1</script>", '<img src="https://a.b/c.png">', '<p onclick="x()">'])
def test_a_still_view_that_loads_or_runs_something_fails_the_build(warnings, bad):
    placed({"one": anywidget(static_html=bad)}, view("one"))
    assert "loads or runs" in warnings[0]


def test_a_widget_that_needs_a_kernel_fails_the_build(warnings):
    slider = {"model_module": "@jupyter-widgets/controls", "state": {}}
    placed({"one": slider}, view("one"))
    assert "only anywidgets live on a static page" in warnings[0]


# --- freshness ------------------------------------------------------------------------


def test_the_key_changes_with_a_name_or_a_letter_and_not_with_byte_code(tmp_path):
    package = tmp_path / "dtsnn_lite"
    package.mkdir()
    (package / "exits.py").write_text("theta = 0.4")
    first = freshness.digest(tmp_path, ["dtsnn_lite"])
    (package / "exits.pyc").write_bytes(b"\0")
    assert freshness.digest(tmp_path, ["dtsnn_lite"]) == first
    (package / "exits.py").write_text("theta = 0.5")
    second = freshness.digest(tmp_path, ["dtsnn_lite"])
    (package / "exits.py").rename(package / "stop.py")
    assert len({first, second, freshness.digest(tmp_path, ["dtsnn_lite"])}) == 3


def test_a_script_of_a_widget_is_part_of_what_the_cells_see():
    assert "dtsnn_lite" in freshness.EXECUTION_INPUTS
    seen = {path.suffix for path in freshness.files_under(ROOT, freshness.EXECUTION_INPUTS)}
    assert {".py", ".js", ".css", ".npz", ".txt"} <= seen
