"""Small JavaScript modules as the one that Streamlit takes: pure but for reading the files.

A component's script is one text. So files that import one another are joined, each after those that
it imports and in a scope of its own; an import is one line, and what is exported has a name.
"""

import re
from pathlib import Path

CANVAS = Path(__file__).parent / "canvas"
_IMPORT = re.compile(r"^import (\{[^}]*\}) from '(\.{1,2}/[^']+)'$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?:const|function|class) (\w+)", re.MULTILINE)


def bundled(entry: Path) -> str:
    """The module with all that it imports, as one text."""
    *below, last = files(entry)
    return "\n".join([*map(_scoped, below), f"// {_name(last)}\n{_bound(last)}"])


def styled(*names: str) -> str:
    """Style sheets of the folder, one after another."""
    return "\n".join((CANVAS / each).read_text(encoding="utf-8") for each in names)


def files(entry: Path) -> list[Path]:
    """The module's files in the order of their joining: what is imported comes first."""
    found: dict[Path, None] = {}
    _visit(entry.resolve(), found)
    return list(found)


def exported(file: Path) -> list[str]:
    """The names that other files may import."""
    return _EXPORT.findall(file.read_text(encoding="utf-8"))


def _visit(file: Path, found: dict[Path, None]) -> None:
    for _, away in _IMPORT.findall(file.read_text(encoding="utf-8")):
        if (other := (file.parent / away).resolve()) not in found:
            _visit(other, found)
    found[file] = None


def _scoped(file: Path) -> str:
    text = re.sub(r"^export ", "", _bound(file), flags=re.MULTILINE)
    names = ", ".join(exported(file))
    return f"const {_name(file)} = (() => {{\n{text}return {{ {names} }}\n}})()\n"


def _bound(file: Path) -> str:
    """The file with each import as names taken from the scope of the other."""

    def taken(found: re.Match[str]) -> str:
        return f"const {found[1]} = {_name((file.parent / found[2]).resolve())}"

    return _IMPORT.sub(taken, file.read_text(encoding="utf-8"))


def _name(file: Path) -> str:
    return re.sub(r"\W", "_", file.relative_to(CANVAS.resolve()).as_posix())
