"""What the book's extension makes of a widget: a still view that its own script drew, a box, and the state once."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from stopwhensure import freshness, live_widgets, stills

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
export default { render({ model, el }) {
  const cell = document.createElement("td");
  cell.textContent = `${model.get("mean") ?? 1.26} timesteps`;
  el.append(cell);
} };
"""
STILL = "<td>1.26 timesteps</td>"


def anywidget(script: str = SCRIPT, **state: object) -> dict:
    """A model as myst-nb embeds it."""
    return {"model_module": "anywidget", "state": {"_esm": script, "_css": "td { color: red }", **state}}


def view(model_id: str) -> str:
    return f'<script type="application/vnd.jupyter.widget-view+json">{json.dumps({"model_id": model_id})}</script>'


def page(models: dict[str, dict], body: str) -> dict:
    """A page's context as the extension meets it."""
    block = SimpleNamespace(attributes={"type": live_widgets.STATE_TYPE, "body": json.dumps({"state": models})})
    other = SimpleNamespace(attributes={}, filename="theme.js")
    return {"script_files": [other, block], "body": body, "pathto": lambda target, _: f"../{target}"}


@pytest.fixture
def out(tmp_path) -> Path:
    """The folder of the built book."""
    return tmp_path


@pytest.fixture
def placed(out):
    """What the extension makes of a page's context."""
    def place(models: dict[str, dict], body: str) -> dict:
        context = page(models, body)
        live_widgets.place_widgets(SimpleNamespace(outdir=str(out)), "book/page", "page.html", context, None)
        return context
    return place


def beside(out: Path) -> str:
    """The script beside the page."""
    return (out / "_static/widgets/book/page.js").read_text("utf8")


def models_beside(out: Path) -> dict:
    """What a browser makes of the state in it."""
    state, _ = beside(out).split("\n", 1)
    return json.loads(run_js(f"const window = {{}}; {state} console.log(JSON.stringify(window.widgetModels))"))


def run_js(code: str) -> str:
    return subprocess.run([stills.node(), "-e", code], capture_output=True, text=True, check=True, encoding="utf8").stdout


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """What the extension warns of; a warning fails the build."""
    told: list[str] = []
    monkeypatch.setattr(live_widgets, "LOGGER", SimpleNamespace(warning=lambda text, *more, **_: told.append(text % more)))
    return told


def test_a_widget_stands_in_a_box_around_the_view_that_its_own_script_draws(placed):
    body = placed({"one": anywidget()}, f"<p>text</p>{view('one')}")["body"]
    still = f'<div class="afm-still">{STILL}{live_widgets.WITHOUT_SCRIPTS}</div>'
    assert f'<div class="afm">{still}{view("one")}</div>' in body


def test_a_still_view_shows_the_state_that_the_cell_left(placed):
    assert "<td>2.5 timesteps</td>" in placed({"one": anywidget(mean=2.5)}, view("one"))["body"]


def test_two_views_of_one_model_are_two_boxes_with_the_same_still_view(placed):
    body = placed({"one": anywidget()}, view("one") * 2)["body"]
    assert body.count('class="afm"') == body.count(STILL) == 2


def test_the_style_sheet_of_all_views_stands_once_before_them(placed):
    body = placed({"one": anywidget(), "two": anywidget()}, view("one") + view("two"))["body"]
    assert body.count("td { color: red }") == 1
    assert body.index("<style>td { color: red }</style>") < body.index(STILL)


def test_the_state_lies_beside_the_page_before_the_host_and_a_few_lines_ask_for_both(placed, out):
    context = placed({"one": anywidget(mean=2.5)}, f"{view('one')}<p>last words</p>")
    assert models_beside(out) == {"one": {"model_module": "anywidget", "state": {"_esm": SCRIPT, "mean": 2.5}}}
    assert beside(out).split("\n", 1)[1] == live_widgets.script(live_widgets.HOST)
    (asked,) = re.findall(r'<script data-address="\.\./_static/widgets/book/page\.js\?v=(\w{8})">', context["body"])
    assert context["body"].index("data-address") < context["body"].index("afm-still") and "JSON.parse" not in context["body"]
    assert [script.attributes for script in context["script_files"]] == [{}]
    assert f"?v={asked}" not in placed({"one": anywidget(mean=2.6)}, view("one"))["body"], "another state, another address"


@pytest.mark.parametrize("text", ["</script><img src=x onerror=alert(1)>", "it's", "a\\'b\nc\u2028", "µs, 2×3, '\"`${x}"])
def test_every_text_in_the_state_arrives_as_it_is(placed, out, text):
    placed({"one": anywidget(note=text)}, view("one"))
    assert models_beside(out)["one"]["state"]["note"] == text


@pytest.mark.parametrize("page_now", [None, "<p>no widget any more</p>"])
def test_a_script_beside_a_page_goes_with_its_widgets(placed, out, page_now):
    html = placed({"one": anywidget()}, view("one"))["body"]
    app = SimpleNamespace(outdir=str(out), builder=SimpleNamespace(format="html"))
    (out / "book").mkdir()
    (out / "book/page.html").write_text(html)
    live_widgets.clear(app, None)
    assert beside(out)
    (out / "book/page.html").unlink() if page_now is None else (out / "book/page.html").write_text(page_now)
    live_widgets.clear(app, None)
    assert not (out / "_static/widgets/book/page.js").exists()


def test_no_text_in_the_state_becomes_an_element_of_the_still_view(warnings, placed):
    body = placed({"one": anywidget(mean='</td><img src=x onerror="alert(1)">')}, view("one"))["body"]
    assert "<td>&lt;/td&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt; timesteps</td>" in body


def test_models_that_only_jupyter_needs_stay_out_of_the_page(placed, out):
    layout = {"model_module": "@jupyter-widgets/base", "state": {"width": "wide layout"}}
    assert "wide layout" not in placed({"one": anywidget(), "two": layout}, view("one"))["body"] + beside(out)


def test_a_page_without_widgets_gets_no_host(placed):
    assert placed({}, "<p>text</p>")["body"] == "<p>text</p>"


def test_a_widget_that_cannot_be_drawn_fails_the_build_and_says_why(warnings, placed):
    placed({"one": anywidget('export default { render() { throw new Error("the recording is damaged"); } };')}, view("one"))
    assert warnings == ["a widget cannot be drawn without a browser: the recording is damaged"]


@pytest.mark.parametrize("name, value", [("src", "https://a.b/c.png"), ("onclick", "x()"), ("href", "javascript:x()")])
def test_a_still_view_that_loads_or_runs_something_fails_the_build(warnings, name, value, placed):
    placed({"one": anywidget(SCRIPT.replace("el.append", f'cell.setAttribute("{name}", "{value}"); el.append'))}, view("one"))
    assert "loads or runs" in warnings[0]


def test_words_about_an_address_load_nothing(warnings, placed):
    placed({"one": anywidget(mean="one = 1, see https://a.b, 2 > 1, onset=3,")}, view("one"))
    assert warnings == []


def test_a_widget_that_needs_a_kernel_fails_the_build(warnings, placed):
    slider = {"model_module": "@jupyter-widgets/controls", "state": {}}
    placed({"one": slider}, view("one"))
    assert "only anywidgets live on a static page" in warnings[0]


# --- the document that a still view is drawn on ----------------------------------------


def drawn(lines: str, **state: object) -> str:
    """What a widget of these lines looks like."""
    script = f"export default {{ render({{ model, el }}) {{ const make = (tag) => document.createElement(tag); {lines} }} }};"
    return stills.draw({"one": anywidget(script, **state)})["one"]["html"]


def test_controls_show_their_values_and_are_disabled():
    page = drawn("""
      const slider = make("input"), box = make("input"), list = make("select");
      slider.setAttribute("type", "range"); slider.value = 0.35;
      box.setAttribute("type", "checkbox"); box.checked = true;
      list.append(make("option"), make("option"));
      list.children.forEach((option, i) => option.setAttribute("value", "ab"[i]));
      list.value = "b";
      el.append(slider, box, list);""")
    assert page == ('<input type="range" value="0.35" disabled><input type="checkbox" checked disabled>'
                    '<select disabled><option value="a"></option><option value="b" selected></option></select>')


def test_a_canvas_becomes_an_image_with_its_pixels_and_its_words():
    page = drawn("""
      const canvas = make("canvas"), context = canvas.getContext("2d"), image = context.createImageData(2, 1);
      const said = { width: 2, height: 1, class: "ink", "aria-label": "a 7" };
      for (const [name, value] of Object.entries(said)) canvas.setAttribute(name, value);
      image.data.set([0, 0, 0, 255, 10, 20, 30, 40]);
      context.putImageData(image, 0, 0);
      el.append(canvas);""")
    assert page.startswith('<img class="ink" width="2" height="1" alt="a 7" src="data:image/png;base64,')
    pixels = Image.open(BytesIO(b64decode(page.split("base64,")[1].split('"')[0])))
    assert (pixels.mode, [pixels.getpixel((x, 0)) for x in (0, 1)]) == ("RGBA", [(0, 0, 0, 255), (10, 20, 30, 40)])


def test_binary_traits_reach_the_script_as_in_jupyter():
    model = anywidget('export default { render({ model, el }) { el.append(String(model.get("data").raw.getInt16(0, true))); } };', data={})
    raw = b64encode((-2).to_bytes(2, "little", signed=True)).decode()
    model["buffers"] = [{"path": ["data", "raw"], "encoding": "base64", "data": raw}]
    assert stills.draw({"one": model})["one"]["html"] == "-2"


def test_a_build_without_playwright_takes_the_machines_own_node_and_one_without_either_says_what_to_do(monkeypatch):
    monkeypatch.setattr(stills, "find_spec", lambda name: None)
    monkeypatch.setattr(stills.shutil, "which", lambda name: "/somewhere/node")
    assert stills.node() == "/somewhere/node"
    monkeypatch.setattr(stills.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="comes with playwright: pip install"):
        stills.node()


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
