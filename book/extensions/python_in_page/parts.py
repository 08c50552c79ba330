"""What a page loads after the first click: the runtime, numpy, the package, and recordings, each a script that fills a table.

A page from a folder may neither fetch a file nor import a module, but it may load a classic script:

    pythonPart("numpy.whl", "UEsDBBQ...")

What does not shrink already is packed with gzip; all of it is base64.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import shutil
import zipfile
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

from . import cells, labs
from .offered import Trials
from .shore import PACKAGE

LOGGER = logging.getLogger(__name__)
HERE = Path(__file__).parent
PACKED = (".zip", ".whl", ".npz")
OWN = "own.zip"                 # the package, what runs its cells, and the shapes of its networks
WORKER = "worker.js"
SAID = "Python in the page: "


def fetch(app: Sphinx, config: Config) -> None:
    """The parts that are others', or the reason why the book is built without them."""
    from tools.python_runtime import NotToBeHad, VERSION, parts

    try:
        app.python_runtime = parts()                    # type: ignore[attr-defined]  # this extension's own
        config["python_parts"] = VERSION
    except NotToBeHad as error:
        app.python_runtime = {}                         # type: ignore[attr-defined]  # as above
        config["python_parts"] = ""
        LOGGER.info(SAID + "not in this build, since its parts cannot be had (%s)", error)


def package(root: Path, shapes: object) -> bytes:
    """The package's Python without its command line, its cards, and what runs cells, as one zip that is the same for the same files."""
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted((root / PACKAGE).rglob("*")) if belongs(path)}
    files |= {"shore.py": (HERE / "shore.py").read_bytes(), "shapes.json": json.dumps(shapes).encode()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def belongs(path: Path) -> bool:
    """Whether a file of the package goes into every page: its modules, and the small files beside the recordings."""
    return path.suffix in {".py", ".json"} and path.name != "__main__.py"


def as_script(name: str, data: bytes) -> str:
    """A part as a classic script."""
    packed = data if name.endswith(PACKED) else gzip.compress(data, 9, mtime=0)
    return f'pythonPart({json.dumps(name)},"{base64.b64encode(packed).decode()}");\n'


def write(app: Sphinx, failure: Exception | None) -> None:
    """_static/python: the parts, and a list of them with the size that a page reports while it loads."""
    if failure or app.builder.format != "html":
        return
    folder, root = Path(app.outdir) / "_static" / "python", Path(app.srcdir)
    shutil.rmtree(folder, ignore_errors=True)
    runtime: dict[str, bytes] = app.python_runtime      # type: ignore[attr-defined]  # set by `fetch`
    if not runtime:
        LOGGER.info(SAID + "not in this build; the reason stands above")
        return
    assets = cells.used_assets(app) | labs.used_assets(app)
    always = {**runtime, OWN: package(root, Trials(root).shapes()), WORKER: (HERE / WORKER).read_bytes()}
    lying = {name: root / PACKAGE / "assets" / name for name in sorted(assets)}
    recordings = {f"assets/{name}": path.read_bytes() for name, path in lying.items() if not belongs(path)}
    sizes = {}
    for name, data in {**always, **recordings}.items():
        path = folder / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_script(name, data), "utf8")
        sizes[name] = path.stat().st_size * 3 // 4
    listed = json.dumps({"always": list(always), "bytes": sizes, "packed": PACKED}, indent=1)
    (folder / "parts.js").write_text(f"pythonParts({listed});\n", "utf8")
    whole, extra = (sum(sizes[name] for name in some) / 1e6 for some in (always, recordings))
    LOGGER.info(SAID + "%.1f MB, and %.1f MB of recordings", whole, extra)


def setup(app: Sphinx) -> None:
    app.connect("config-inited", fetch)
    app.connect("build-finished", write, priority=910)
