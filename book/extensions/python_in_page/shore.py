"""Python cells where there is neither torch nor a display: in a web page, and in the trial that says which cells run there.

Imports never fail here for what the page lacks: an absent name stands in its place, and says so when it is used.

    import matplotlib.pyplot as plt                        an absent module
    from dtsnn_lite.figures import draw_lines              a module of ours that needs one: an absent name
    from dtsnn_lite.recording import shipped               the real thing
    layer_shapes(load_shipped("digits"))                   shapes that the build has taken from the network itself

This file runs in Pyodide and, while the book is built, in CPython; it imports nothing of either.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import re
import sys
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, NoReturn

PACKAGE = "dtsnn_lite"
ABSENT = {"anywidget", "h5py", "ipywidgets", "matplotlib", "mlxtend", "pandas", "platformdirs", "safetensors", "scipy", "snntorch",
          "torch", "torchvision", "tqdm", "traitlets"}
DRAWS = "matplotlib"
MAGIC = re.compile(r"^(\s*)[%!].*$", re.M)
MOST_LETTERS = 100_000      # of one cell's output: a loop that prints for ever must not drown the page

Show = Callable[[str, str], None]       # ("stdout" | "stderr" | "markdown" | "result" | "error" | "note", text)


class NotInThePage(ImportError):
    """Something that a browser has not got was used."""


class Absent:
    """A name that is not here; everything but asking for its parts says so."""

    _name: str
    _lacks: str

    def __init__(self, name: str, lacks: str) -> None:
        self.__dict__.update(_name=name, _lacks=lacks)

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}", self._lacks)

    def _used(self, *_: object, **__: object) -> NoReturn:
        what = "drawing" if self._lacks == DRAWS else self._name
        raise NotInThePage(f"{what} needs {self._lacks}, which this page has not got; Colab and Binder have it", name=self._lacks)

    def __instancecheck__(self, _: object) -> bool:
        return False

    __call__ = __getitem__ = __setitem__ = __setattr__ = __iter__ = __len__ = __bool__ = __enter__ = __mro_entries__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __matmul__ = __or__ = __ror__ = __float__ = _used
    __lt__ = __gt__ = __index__ = __contains__ = _used


class AbsentModule(types.ModuleType):
    """A module whose every name is absent."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}", self.__name__.partition(".")[0])


class AbsentFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what is not here."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in ABSENT else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return AbsentModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class ShoreFinder(importlib.abc.MetaPathFinder):
    """Finds the package's own modules, and lets them be absent when they use what is absent."""

    def __init__(self, instead: Mapping[str, Any]) -> None:
        self.instead = instead

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = ShoreLoader(spec.loader, self.instead)
        return spec


class ShoreLoader(importlib.abc.Loader):
    """A module as its file makes it, or, where it cannot be made here, one of absent names."""

    def __init__(self, real: importlib.abc.Loader, instead: Mapping[str, Any]) -> None:
        self.real, self.instead = real, instead

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        try:
            self.real.exec_module(module)
        except NotInThePage as error:
            lacks = error.name or DRAWS
            for name in [name for name in vars(module) if not name.startswith("__")]:
                delattr(module, name)
            module.__getattr__ = lambda name: _absent(module.__name__, name, lacks)        # type: ignore[method-assign]  # PEP 562
        vars(module).update(self.instead.get(module.__name__, {}))


def _absent(module: str, name: str, lacks: str) -> Absent:
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return Absent(f"{module}.{name}", lacks)


# --- what stands in for torch: the shapes of the shipped networks ---------------------------


@dataclass(frozen=True)
class ShippedNet:
    """A shipped network of which only the shapes are here."""

    name: str


def networks(shapes: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """What replaces functions of `checkpoints` and `models`: module -> name -> function; shapes: network -> its layers' fields."""

    def load_shipped(name: str) -> ShippedNet:
        if name not in shapes:
            raise FileNotFoundError(f"no shipped network {name!r}; there are {sorted(shapes)}")
        return ShippedNet(name)

    def layer_shapes(net: ShippedNet) -> tuple[Any, ...]:
        from dtsnn_lite.chip import LayerShape

        return tuple(LayerShape(**layer) for layer in shapes[net.name])

    return {f"{PACKAGE}.checkpoints": {"load_shipped": load_shipped}, f"{PACKAGE}.models": {"layer_shapes": layer_shapes}}


# --- IPython.display, as far as the book's cells use it --------------------------------------


class Markdown:
    """Text that is shown as Markdown."""

    def __init__(self, data: str) -> None:
        self.data = data


def display_modules(show: Show) -> dict[str, types.ModuleType]:
    """IPython and IPython.display, with Markdown and display."""

    def display(*things: object) -> None:
        for thing in things:
            show_result(thing, show)

    package, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    package.__path__ = []
    vars(module).update(Markdown=Markdown, display=display)
    vars(package).update(display=module)
    return {"IPython": package, "IPython.display": module}


def show_result(thing: object, show: Show) -> None:
    """What a notebook shows of a value."""
    show(*(("markdown", thing.data) if isinstance(thing, Markdown) else ("result", repr(thing) + "\n")))


# --- running cells --------------------------------------------------------------------------


class Stream:
    """A text stream that hands on what is written, up to a limit."""

    def __init__(self, kind: str, show: Show) -> None:
        self.kind, self.show, self.left = kind, show, MOST_LETTERS

    def write(self, text: str) -> int:
        if self.left > 0:
            self.show(self.kind, text[:self.left])
            if len(text) > self.left:
                self.show("stderr", "\n... the rest of this cell's output is left out\n")
        self.left -= len(text)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


class Session:
    """One namespace in which cells run, as a notebook's do."""

    def __init__(self, show: Show, shapes: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self.show = show
        self.names: dict[str, Any] = {"__name__": "__main__"}
        sys.meta_path[:0] = [AbsentFinder(), ShoreFinder(networks(shapes))]
        sys.modules.update(display_modules(lambda kind, text: self.show(kind, text)))

    def run(self, source: str, label: str) -> str:
        """One cell; its error's name, or nothing. What it prints and shows goes to `show`."""
        file = f"<{label}>"
        source = MAGIC.sub(r"\1pass", source)
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        with redirect_stdout(Stream("stdout", self.show)), redirect_stderr(Stream("stderr", self.show)):
            try:
                self._execute(source, file)
            except NotInThePage as error:
                self.show("note", str(error))
                return type(error).__name__
            except BaseException as error:      # SystemExit, too: nothing that a cell does may end the page's Python
                self.show("error", as_python_prints(error))
                return type(error).__name__
        return ""

    def _execute(self, source: str, file: str) -> None:
        tree = ast.parse(source, file)
        last = next((it.value for it in tree.body[-1:] if isinstance(it, ast.Expr)), None)
        if last is not None:
            tree.body.pop()
        exec(compile(tree, file, "exec"), self.names)
        if last is not None:
            value = eval(compile(ast.Expression(last), file, "eval"), self.names)
            if value is not None and not source.rstrip().endswith(";"):
                show_result(value, self.show)


def as_python_prints(error: BaseException) -> str:
    """The traceback from the cell on; what stands above it is this file's own."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))
