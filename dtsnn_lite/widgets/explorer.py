"""The Python half of every explorer: one module from several files, and the traits that all of them have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";$', re.M)
EXPORT, RETURN = re.compile(r"^export (\{[^}]*\});$", re.M), r"return \1;"


def module(name: str) -> str:
    """The script of an explorer as one module that imports nothing.

    The files that <name>.js imports stand before it, each in a scope of its own, so that no name of one meets a name of another.
    """
    script = _source(name)
    imports = [found[2] for found in IMPORT.finditer(script)].count("core")
    if imports != 1:
        raise ValueError(f'{name}.js imports from the core once, as `import {{ html, plot }} from "./core.js";`; here {imports} times')
    return "".join(f"const FROM_{file} = {_scope(file)};\n" for file in _needed(name)) + _bound(script)


def _source(name: str) -> str:
    return (HERE / f"{name}.js").read_text("utf8")


def _needed(name: str) -> list[str]:
    """The files that a file imports, each behind those that it imports itself."""
    files = [found[2] for found in IMPORT.finditer(_source(name))]
    return list(dict.fromkeys(each for file in files for each in (*_needed(file), file)))


def _scope(name: str) -> str:
    """What a file exports, as the value of a function that nobody calls again."""
    return f"(() => {{\n{EXPORT.sub(RETURN, _bound(_source(name)))}}})()"


def _bound(script: str) -> str:
    """A script with its imports taken from the scopes that stand before it."""
    return IMPORT.sub(r"const \1 = FROM_\2;", script)


class Explorer(anywidget.AnyWidget):
    """A picture that a reader moves; each control is a trait of the same name.

    heading      what a screen reader calls it
    hash_key     the word its links begin with: #exit?v=1&theta=0.35
    """

    _esm = "export default { render() {} };\n"
    _css = (HERE / "core.css").read_text("utf8")
    heading = traitlets.Unicode("explorer").tag(sync=True)
    hash_key = traitlets.Unicode("explorer").tag(sync=True)

    def __repr__(self) -> str:
        """The class and its controls: what stands where nothing can draw the picture."""
        common = Explorer.class_trait_names()
        values = {name: getattr(self, name) for name in self.keys if name not in common and not name.startswith("_")}
        controls = (f"{name}={value!r}" for name, value in values.items() if not isinstance(value, dict | bytes))
        return f"{type(self).__name__}({', '.join(controls)})"


def checked_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """`value`, if it is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}; got {value!r}")
    return value
