"""`docs/results.md`, made from what the benchmarks kept."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HEAD = """# Results

Made by `python -m benchmarks page` from what `python -m benchmarks NAME --keep` kept; goals
that were missed are told like those that were met. Figures are of a two-core machine, no GPU.
"""


def write_page(docs: Path) -> None:
    """Writes the page anew from every result that is kept."""
    kept = sorted((docs / "results").glob("*.json"))
    parts = [HEAD, *("\n".join(_section(json.loads(file.read_text("utf-8")))) for file in kept)]
    (docs / "results.md").write_text("\n".join(parts) + "\n", encoding="utf-8")


def _section(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {found['benchmark']}: {found['title']}\n\n{found['work']}\n"
    yield "| asked | goal | found | |\n|---|---|---|---|"
    for goal in found["goals"]:
        verdict = "met" if goal["met"] else "**missed**"
        yield f"| {goal['name']} | {goal['goal']} | {goal['found']} | {verdict} |"
    for words, figures in (
        ("Ours", found["ours"]),
        ("Peers", found["peers"]),
        ("Ratios", found["ratios"]),
    ):
        yield from _figures(words, figures)


def _figures(words: str, figures: Mapping[str, Any]) -> Iterator[str]:
    rows = {name: each for name, each in figures.items() if isinstance(each, Mapping)}
    plain = {name: each for name, each in figures.items() if name not in rows}
    if plain:
        yield (
            f"\n{words}: "
            + ", ".join(f"{name} {_shown(each)}" for name, each in plain.items())
            + "."
        )
    if rows:
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        yield f"\n| {words} | " + " | ".join(columns) + " |"
        yield "|---" * (len(columns) + 1) + "|"
        for name, row in rows.items():
            yield (
                f"| {name} | "
                + " | ".join(_shown(row.get(column, "")) for column in columns)
                + " |"
            )


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
