"""Which screens there are: every file in `screens/` that says its title, icon, section and place.

A new screen is one new file. Its four constants are read, not run.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "screens"
SECTIONS = ("Operate", "Learn", "Data", "Admin")


@dataclass(frozen=True)
class Screen:
    """One screen: its file, and how the sidebar shows it. `place` orders a section."""

    path: Path
    title: str
    icon: str
    section: str
    place: int


@cache
def screens() -> tuple[Screen, ...]:
    """Every screen, in the order of the sidebar."""
    files = sorted(each for each in FOLDER.glob("*.py") if each.stem != "__init__")
    return tuple(sorted(map(_screen, files), key=_order))


def _screen(file: Path) -> Screen:
    said = _constants(file)
    return Screen(
        file, str(said["TITLE"]), str(said["ICON"]), str(said["SECTION"]), int(str(said["PLACE"]))
    )


def _order(screen: Screen) -> tuple[int, int, str]:
    return SECTIONS.index(screen.section), screen.place, screen.title


def _constants(file: Path) -> dict[str, object]:
    """The names that a file assigns plain values to, `A, B = 1, 2` included."""
    found: dict[str, object] = {}
    for each in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(each, ast.Assign):
            found |= _assigned(each.targets[0], each.value)
    return found


def _assigned(target: ast.expr, value: ast.expr) -> dict[str, object]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=True)
        return {name: found for pair in pairs for name, found in _assigned(*pair).items()}
    if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
        return {target.id: value.value}
    return {}
