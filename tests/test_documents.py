"""Documents tell the truth: their code runs, and what they link to is there."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )


def code() -> list[Any]:
    found = [(page, i, text) for page in PAGES for i, text in enumerate(blocks(page, "python"))]
    return [pytest.param(text, id=f"{page.name}-{i}") for page, i, text in found]


@pytest.mark.parametrize("text", code())
def test_python_in_a_document_runs(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(text, "document", "exec"), {"__name__": "document"})
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_document_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_shows_a_picture_of_the_dashboard() -> None:
    (picture,) = re.findall(r"!\[.+\]\((.+\.png)\)", (ROOT / "README.md").read_text())
    assert (ROOT / picture).stat().st_size > 20_000


def test_the_readme_names_the_two_commands_that_the_makefile_has() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for command in ("demo", "test"):
        assert f"make {command}" in readme
        assert re.search(rf"^{command}:", makefile, flags=re.MULTILINE)


def test_every_command_that_a_document_names_is_there() -> None:
    from typer.main import get_command

    from scheduler.cli import build

    known = set(get_command(build()).commands)  # type: ignore[attr-defined]
    named = {
        word
        for page in PAGES
        for word in re.findall(r"\ballot ([a-z][a-z-]*)", page.read_text())
        if f"`allot {word}" in page.read_text() or f"$ allot {word}" in page.read_text()
    }
    assert named <= known
