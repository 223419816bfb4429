"""The door of the benchmarks."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import benchmarks
from benchmarks.base import Benchmark
from benchmarks.results import write_page
from scheduler.discover import implementations, named
from scheduler.errors import AllotError

RESULTS = Path(__file__).parent.parent / "docs"


def main(
    name: Annotated[str, typer.Argument(help="The benchmark, or `page` to write docs/results.md.")],
    data: Annotated[Path | None, typer.Option(help="Folder of public logs.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less work, rougher figures.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Also keep it for docs/results.md.")] = False,
) -> None:
    """Run one benchmark; exit 0 when it ran, whatever the goals say."""
    if name == "page":
        write_page(RESULTS)
        return
    known = {
        each.replace("_", "-"): part
        for each, part in implementations(benchmarks, Benchmark).items()
    }  # type: ignore[type-abstract]
    part = named(name, known, "benchmark")
    found = part().run(data=data, quick=quick)
    document = {"benchmark": name, "title": part.title, **asdict(found)}
    if keep:
        (RESULTS / "results").mkdir(parents=True, exist_ok=True)
        file = RESULTS / "results" / f"{name}.json"
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        write_page(RESULTS)
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    for goal in found.goals:
        sys.stdout.write(
            f"{'met   ' if goal.met else 'MISSED'}  {goal.name}: {goal.goal}; found {goal.found}\n"
        )


if __name__ == "__main__":
    try:
        typer.run(main)
    except AllotError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
