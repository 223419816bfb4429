import re
from pathlib import Path

import pytest

from dashboard.components.bundle import CANVAS, bundled, exported, files

ENTRIES = sorted(CANVAS.glob("*/main.js"))
SCRIPTS = sorted(CANVAS.rglob("*.js"))
IMPORT = re.compile(r"^import \{([^}]*)\} from '([^']+)'$", re.MULTILINE)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda each: each.parent.name)
def test_a_file_comes_after_all_that_it_imports(entry: Path) -> None:
    order = files(entry)
    for file in order:
        for _, away in IMPORT.findall(file.read_text()):
            assert order.index((file.parent / away).resolve()) < order.index(file)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda each: each.name)
def test_a_file_imports_only_what_is_exported_and_from_this_folder(file: Path) -> None:
    text = file.read_text()
    assert len(re.findall(r"^import\b", text, re.MULTILINE)) == len(IMPORT.findall(text))
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    for names, away in IMPORT.findall(text):
        there = exported((file.parent / away).resolve())
        assert {each.strip() for each in names.split(",")} <= set(there)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda each: each.name)
def test_no_text_becomes_markup(file: Path) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", file.read_text()
    )


def test_every_file_belongs_to_a_component() -> None:
    assert {each.resolve() for each in SCRIPTS} == {f for entry in ENTRIES for f in files(entry)}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda each: each.parent.name)
def test_the_joined_script_exports_one_function_and_imports_nothing(entry: Path) -> None:
    text = bundled(entry)
    assert re.findall(r"^export .*", text, re.MULTILINE)[0].startswith("export default function")
    assert not IMPORT.search(text)
