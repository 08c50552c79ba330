"""The shape of the project: who may import whom, what stands where, and that it stands there once."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
import yaml
from pybtex.backends.plaintext import Backend
from pybtex.database import parse_file
from pybtex.plugin import find_plugin

from tools.build_book import toc_entries

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dtsnn_lite"

# The flow of one batch, top to bottom: a file imports only files above it. A new file needs a line here.
FLOW = (
    "__init__",
    "guards",
    "files",
    "thumbnails",
    "components",
    "flaws",
    "chip",
    "networks",
    "mapping",
    "floorplan",
    "circuits",
    "reads",
    "cost",
    "schedules",
    "bit_serial",
    "events",
    "camera",
    "scenes",
    "motion",
    "gestures",
    "event_files",
    "data",
    "event_sets",
    "drift",
    "encoding",
    "neurons",
    "readouts",
    "cells",
    "wires",
    "crossbar",
    "crossbar_layers",
    "models",
    "losses",
    "training",
    "conversion",
    "policy",
    "checkpoints",
    "recording",
    "exits",
    "calibration",
    "comparison",
    "evidence",
    "reinforce",
    "flow_recording",
    "inference",
    "flow",
    "designs",
    "comparators",
    "sensitivity",
    "figures",
)
# Folders beside the flow, each in an order of its own. Besides the files above it there a file may import the whole flow in `proofs`,
# and the numpy shore in the two others.
CLASSROOM = ("typed", "seals", "questions", "checks", "variants", "exam", "desk")
PROOFS = ("published", "fit_65nm", "papers", "nodal", "cards", "recipes", "recipes_seenn", "recipes_flow", "recipes_twin",
          "saccade_flow", "stages", "stages_flow", "comparators", "league", "sweeps", "throughput", "facts")
WIDGETS = ("quantities", "explorer", "folded", "on_arrays", "named_prices", "exit_explorer", "policy_explorer", "crossbar_explorer",
           "design_explorer", "array_explorer", "lif_explorer", "live_explorer", "hardware_explorer", "stream_explorer", "flow_explorer",
           "event_explorer", "comparator_explorer", "pipeline_explorer")
FOLDERS = {"classroom": CLASSROOM, "proofs": PROOFS, "widgets": WIDGETS}
# What needs torch: the side that computes logits. The rest decides to stop and pays the bill; it also runs where there is no torch.
TORCH_SHORE = {"data", "event_sets", "drift", "encoding", "neurons", "readouts", "cells", "wires", "crossbar", "crossbar_layers", "models",
               "losses", "training", "conversion", "policy", "checkpoints", "inference", "flow"}
NUMPY_SHORE = tuple(name for name in FLOW if name not in TORCH_SHORE)
MODULES = {*FLOW, *FOLDERS, *(f"{folder}.{file}" for folder, files in FOLDERS.items() for file in files), "__main__"}
CODE_LINES_A_CELL = 20          # blank lines and comments not counted

modules = sorted(PACKAGE.rglob("*.py"))
notebooks = sorted(p for folder in ("book", "labs") for p in (ROOT / folder).rglob("*.ipynb")
                   if not {"student", "key", ".ipynb_checkpoints"} & set(p.parts))


def module_name(path: Path) -> str:
    """`widgets.exit_explorer` of dtsnn_lite/widgets/exit_explorer.py; a folder's __init__ is the folder."""
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def our_imports(path: Path) -> set[str]:
    """The modules of the package that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dtsnn_lite":
            inner = node.module.removeprefix("dtsnn_lite").lstrip(".")
            names = [f"{inner}.{alias.name}".lstrip(".") for alias in node.names]
            found |= {name if name in MODULES else inner or "__init__" for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("dtsnn_lite.") for alias in node.names if alias.name.startswith("dtsnn_lite.")}
    return found


def code_cells(path: Path) -> list[dict]:
    """The code cells of a notebook."""
    return [cell for cell in json.loads(path.read_text("utf8"))["cells"] if cell["cell_type"] == "code"]


def tags(cell: dict) -> set[str]:
    return set(cell["metadata"].get("tags", []))


def is_checked(cell: dict) -> bool:
    """Whether nbval compares this cell's output."""
    return "nbval-check-output" in tags(cell) or "NBVAL_CHECK_OUTPUT" in "".join(cell["source"])


# --- the package -------------------------------------------------------------------


def above(name: str) -> set[str]:
    """What a file may import: the files above it, and what its folder may see; the command line may see all."""
    folder, _, file = name.rpartition(".")
    if name == "__main__":
        return set(FLOW) | {f"proofs.{one}" for one in PROOFS}
    if name in FOLDERS:                                                         # a folder's __init__ imports nothing
        return set()
    if not folder:
        return set(FLOW[: FLOW.index(name)])
    here = FOLDERS[folder]
    return set(FLOW if folder == "proofs" else NUMPY_SHORE) | {f"{folder}.{one}" for one in here[: here.index(file)]}


@pytest.mark.parametrize("path", modules, ids=module_name)
def test_a_file_imports_only_files_above_it(path):
    name = module_name(path)
    assert name in MODULES, f"{name} has no place in FLOW or FOLDERS: say where it stands"
    assert our_imports(path) <= above(name), f"{name} imports {our_imports(path) - above(name)}, which stand below it"


def test_every_place_of_the_flow_has_its_file():
    assert MODULES == set(map(module_name, modules))


def test_the_numpy_shore_imports_without_torch():
    shore = [*NUMPY_SHORE, *(f"{folder}.{file}" for folder in ("classroom", "widgets") for file in FOLDERS[folder])]
    lines = [f"import dtsnn_lite.{name}" for name in shore if name != "__init__"]
    lines += ["import sys", "assert 'torch' not in sys.modules, 'torch was imported'"]
    ran = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_importing_the_package_prints_and_loads_nothing():
    code = "import sys, dtsnn_lite; assert not {'numpy', 'torch'} & set(sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_every_source_that_a_constant_names_stands_in_the_bibliography():
    keys = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text("utf8"), re.M))
    shape = re.compile(r"[a-z]+(19|20)\d\d[a-z]+")
    named = {
        (module_name(path), node.value)
        for path in modules
        for node in ast.walk(ast.parse(path.read_text("utf8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and shape.fullmatch(node.value)
    }
    assert named and {key for _, key in named} <= keys, sorted(item for item in named if item[1] not in keys)


def test_every_citation_in_the_book_stands_in_the_bibliography():
    keys = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text("utf8"), re.M))
    text = "".join(path.read_text("utf8") for path in [*notebooks, *(ROOT / "book").glob("*.md")])
    cited = {key.strip() for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text) for key in group.split(",")}
    assert cited and cited <= keys, cited - keys


def test_every_volume_reaches_the_printed_bibliography():
    """The style prints a volume with its pages only: an article's number of its own stands there."""
    entries = parse_file(ROOT / "references.bib").entries
    assert [key for key, entry in entries.items() if "volume" in entry.fields and "pages" not in entry.fields] == []


def test_titles_keep_the_letters_that_the_style_would_change():
    entries = parse_file(ROOT / "references.bib").entries.values()
    formatted = find_plugin("pybtex.style.formatting", "unsrt")().format_entries(entries)
    printed = {entry.key: entry.text.render(Backend()) for entry in formatted}
    assert ". v2e: from" in printed["hu2021v2e"] and "neuromorphic? Analyzing" in printed["iyer2021nmnist"]


def test_the_page_of_the_proofs_says_who_else_needs_them():
    page = (ROOT / "book/api_proofs.md").read_text("utf8")
    needing = {module_name(path) for path in modules
               if path.parent.name != "proofs" and any(one.split(".")[0] == "proofs" for one in our_imports(path))}
    assert needing == {"__main__"} and "but the command line" in page


# --- the book ----------------------------------------------------------------------


def test_every_entry_of_the_contents_is_a_file():
    for entry in toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))):
        assert any((ROOT / f"{entry}{suffix}").is_file() for suffix in (".ipynb", ".md")), entry


def test_every_chapter_stands_in_the_contents():
    entries = toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
    chapters = {path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "book").glob("*.ipynb")}
    assert chapters <= set(entries), chapters - set(entries)


@pytest.mark.parametrize("path", notebooks, ids=lambda path: path.stem)
def test_a_notebook_is_stripped_but_for_the_outputs_that_are_checked(path):
    assert "widgets" not in json.loads(path.read_text("utf8"))["metadata"], "the state of its widgets is stored: nbstripout"
    for number, cell in enumerate(code_cells(path)):
        if is_checked(cell):
            # nbval compares nothing where the count is missing: such a check would pass on any number.
            assert cell["outputs"] and cell["execution_count"], f"cell {number} is checked against nothing"
        else:
            assert not cell["outputs"] and cell["execution_count"] is None, f"cell {number} keeps its output: nbstripout"


@pytest.mark.parametrize("path", notebooks, ids=lambda path: path.stem)
def test_a_code_cell_fits_on_a_phone(path):
    for number, cell in enumerate(code_cells(path)):
        lines = [line.strip() for line in "".join(cell["source"]).splitlines()]
        code = [line for line in lines if line and not line.startswith("#")]
        assert len(code) <= CODE_LINES_A_CELL, f"cell {number} has {len(code)} lines of code"


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_chapter_begins_with_the_cell_that_installs_the_package_in_colab(path):
    address = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
    first = "".join(code_cells(path)[0]["source"])
    assert 'if "google.colab" in sys.modules:' in first
    assert f'%pip install -q "git+{address}"' in first


# --- what the pages say of each other ----------------------------------------------------


def markdown(name: str) -> str:
    """The words of a page of the book, a notebook's cells joined."""
    path = ROOT / "book" / f"{name}.ipynb"
    return "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text("utf8"))["cells"] if cell["cell_type"] == "markdown")


def test_who_reads_by_the_landing_pages_table_has_met_what_a_chapter_asks_for():
    """Each row of *How to read* up to a week: what its chapters ask for stands in it or in a row above."""
    rows = re.findall(r"^\| (half an hour|an afternoon|a week) \| (.*) \|$", markdown("intro"), re.M)
    assert len(rows) == 3
    met: set[str] = set()
    for _, chapters in rows:
        here = re.findall(r"\]\((\w+)\.ipynb\)", chapters)
        met |= set(here)
        for name in here:
            asked = set(re.findall(r"\]\((\w+)\.ipynb\)", re.search(r"\*\*Level\*\* (.*)", markdown(name))[1]))
            assert asked <= met, f"{name} asks for {asked - met}"


def test_a_letter_with_two_meanings_is_marked_on_the_page_of_the_notation():
    """A row a meaning; an index or an argument does not make another letter of it."""
    marked: dict[str, list[bool]] = {}
    for cell in re.findall(r"^\| (\$.*?) \|", (ROOT / "book/notation.md").read_text("utf8"), re.M):
        letter = re.match(r"\$(\\?[A-Za-z]+)", cell)
        if letter and letter[1] not in ("\\hat", "\\mathbb"):
            marked.setdefault(letter[1], []).append("†" in cell)
    assert len(marked) > 20 and {"z", "r", "v"} <= set(marked)
    assert [letter for letter, rows in marked.items() if len(rows) > 1 and not all(rows)] == []


# --- one address, one version --------------------------------------------------------


def test_the_address_of_the_repository_is_the_same_everywhere():
    address = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
    owner, name = address.removeprefix("https://github.com/").split("/")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert citation["repository-code"] == address
    assert citation["url"] == f"https://{owner}.github.io/{name}/"
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["urls"]
    assert urls.pop("Book") == citation["url"] and all(url.startswith(address) for url in urls.values())
    readme = (ROOT / "README.md").read_text("utf8")
    assert f"colab.research.google.com/github/{owner}/{name}/blob/main/book/intro.ipynb" in readme
    assert f"mybinder.org/v2/gh/{owner}/{name}/main" in readme
    texts = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *notebooks,
             *(ROOT / "book").glob("*.md"), *(ROOT / "labs").glob("*.md")]
    for path in texts:
        for found in re.findall(r"github\.com/[\w.-]+/stop-when-sure[\w-]*", path.read_text("utf8")):
            assert found == f"github.com/{owner}/{name}", f"{path.name} names {found}"


def test_the_version_is_the_same_everywhere():
    assignment = re.search(r'__version__ = "(.+)"', (PACKAGE / "__init__.py").read_text("utf8"))
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))["version"] == assignment[1]


def test_requirements_are_pinned_and_agree_with_the_constraints():
    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / name).read_text("utf8").splitlines()
        return dict(line.split("==") for line in lines if line and not line.startswith("#"))

    required, constrained = pins("requirements.txt"), pins("constraints.txt")
    assert required.items() <= constrained.items()
    assert required["jupyter-book"] < "2", "Jupyter Book 2 builds no pages from these files"


def test_the_package_asks_loosely_for_what_notebook_services_bring():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    assert not [need for need in project["dependencies"] if re.search(r"==|<|~=", need)]


def test_no_file_of_the_project_asks_a_content_network():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "book", "dtsnn_lite", "labs"], cwd=ROOT,
                            capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = re.compile(r"jsdelivr|unpkg\.com|cdnjs\.|googleapis\.com|gstatic\.com")
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if path.suffix in {".py", ".js", ".css", ".ipynb", ".md", ".html"} and path.is_file():
            assert not hosts.search(path.read_text("utf8")), name
