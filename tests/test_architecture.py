"""The rule between rooms: who may import what. Read from the code's text, so that no file hides."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("scheduler", "learner", "dashboard")


@dataclass(frozen=True)
class Only:
    """A package that may be imported in some places alone."""

    package: str
    places: tuple[str, ...]


ONLY = (
    Only("torch", ("learner",)),
    Only("safetensors", ("learner",)),
    Only("streamlit", ("dashboard",)),
    Only("pandas", ("dashboard",)),
    Only("plotly", ("dashboard",)),
    Only("sqlmodel", ("scheduler/store",)),
    Only("sqlalchemy", ("scheduler/store",)),
    Only("alembic", ("scheduler/store",)),
    Only("ray", ("scheduler/execution/executors", "learner/training")),
    Only("ortools", ("scheduler/planning/exact.py",)),
    Only("numba", ("scheduler/planning",)),
    Only("learner", ("learner",)),
    Only("dashboard", ("dashboard",)),
)
SEAMS = (
    "scheduler/planning/planners",
    "scheduler/execution/executors",
    "scheduler/logs",
    "learner/arms",
    "learner/targets",
    "learner/networks",
    "learner/weighting",
    "dashboard/screens",
)
SLOW = ("torch", "ray", "streamlit", "pandas", "plotly", "numba", "sqlmodel", "alembic")


def sources(root: Path) -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((root / room).rglob("*.py"))


def imported(file: Path, *, at_start: bool = False) -> Iterator[str]:
    """The modules that a file imports; with `at_start`, only those of its top level."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if at_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def trespasses(root: Path, rules: Iterable[Only] = ONLY) -> list[str]:
    """Every import that stands where it may not."""
    return [
        f"{file.relative_to(root)} imports {module}"
        for file in sources(root)
        for module in sorted(set(imported(file)))
        for rule in rules
        if module.split(".")[0] == rule.package
        and not any(file.is_relative_to(root / place) for place in rule.places)
    ]


def seam_files(root: Path, seam: str) -> Sequence[str]:
    """The files that fill a seam: those that define a class on its base, or a screen."""
    shared = {"base", "__init__"}
    folder = root / seam
    base = folder / "base.py"
    names = [file.stem for file in sorted(folder.glob("*.py")) if file.stem not in shared]
    if not base.exists():
        return names
    bases = {n.name for n in ast.parse(base.read_text()).body if isinstance(n, ast.ClassDef)}
    return [name for name in names if _derives(folder / f"{name}.py", bases)]


def _derives(file: Path, bases: set[str]) -> bool:
    return any(
        isinstance(base, ast.Name) and base.id in bases
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    )


def twins_known(root: Path, seam: str) -> list[str]:
    """Files that fill a seam and import another that fills it."""
    names = seam_files(root, seam)
    package = seam.replace("/", ".")
    return [
        f"{seam}/{name}.py imports {package}.{other}"
        for name in names
        for other in names
        if other != name and f"{package}.{other}" in set(imported(root / seam / f"{name}.py"))
    ]


def test_packages_are_imported_only_where_they_belong() -> None:
    assert trespasses(ROOT) == []


@pytest.mark.parametrize("seam", SEAMS)
def test_files_that_fill_a_seam_never_import_one_another(seam: str) -> None:
    assert len(seam_files(ROOT, seam)) >= 1
    assert twins_known(ROOT, seam) == []


def test_the_doors_import_nothing_slow_when_they_are_opened() -> None:
    doors = [
        *(ROOT / "scheduler" / "commands").glob("*.py"),
        *ROOT.glob("*/cli.py"),
        *(ROOT / "scheduler" / name for name in ("door.py", "settings.py", "discover.py")),
    ]
    slow = [
        f"{file.name}: {module}"
        for file in doors
        for module in imported(file, at_start=True)
        if module.split(".")[0] in SLOW
    ]
    assert slow == []


def plant(root: Path, file: str, code: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(code)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("scheduler/planning/x.py", "import torch"),
        ("scheduler/x.py", "from learner import registry"),
        ("dashboard/x.py", "def f():\n    from learner.registry import Registry"),
        ("learner/x.py", "import dashboard.charts as charts"),
        ("learner/x.py", "import ray.train"),
        ("dashboard/x.py", "from sqlalchemy import text"),
        ("scheduler/execution/x.py", "if True:\n    import ray"),
    ],
)
def test_a_planted_wrong_import_is_caught(tmp_path: Path, file: str, code: str) -> None:
    plant(tmp_path, file, code)
    assert len(trespasses(tmp_path)) >= 1


def test_a_planted_import_between_twins_is_caught(tmp_path: Path) -> None:
    seam = "scheduler/planning/planners"
    plant(tmp_path, f"{seam}/base.py", "class Planner: ...")
    plant(tmp_path, f"{seam}/a.py", "class A(Planner): ...")
    plant(
        tmp_path,
        f"{seam}/b.py",
        "from scheduler.planning.planners.a import A\nclass B(Planner): ...",
    )
    assert twins_known(tmp_path, seam) == [f"{seam}/b.py imports scheduler.planning.planners.a"]
