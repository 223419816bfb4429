"""`allot ingest`: logs into the store."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from scheduler.door import Door, Json, StoreUrl

if TYPE_CHECKING:
    from scheduler.ingest import IngestReport


def register(app: typer.Typer) -> None:
    """Adds the commands for logs."""
    app.command()(ingest)


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Log files, or folders of them.")],
    format: Annotated[
        str | None, typer.Option(help="Read as this format, without guessing.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times that name none [default: UTC].")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and report; keep nothing.")
    ] = False,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Take task logs into the store: each attempt once, bad lines into quarantine."""
    from zoneinfo import ZoneInfo

    from scheduler import ingest as logs

    door = Door.open(json=json, store=store, timezone=timezone)
    with door.store() as opened, door.progress() as progress:
        bar = progress.add_task("reading", total=None)
        report = logs.ingest(
            paths,
            opened,
            format=format,
            timezone=ZoneInfo(door.settings.timezone),
            dry_run=dry_run,
            now=door.now(),
            on_progress=lambda file, rows: progress.update(bar, description=file, completed=rows),
        )
    door.answer(_document(report), _shown(report))
    if report.errors:
        for error in report.errors:
            door.say(Text(error, style="red"))
        raise typer.Exit(1)


def _document(report: "IngestReport") -> dict[str, Any]:
    return {
        "format": ", ".join(report.formats),
        "read": report.read,
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "quarantined": report.quarantined,
        "errors": list(report.errors),
        "files": [asdict(each) for each in report.files],
    }


def _shown(report: "IngestReport") -> Table:
    table = Table("file", "format", "read", "accepted", "duplicates", "quarantined")
    for each in report.files:
        table.add_row(
            Text(each.file),
            each.format or each.skipped or "not read",
            *(f"{n:,}" for n in (each.read, each.accepted, each.duplicates, each.quarantined)),
        )
    table.add_row(
        "all",
        "",
        *(f"{n:,}" for n in (report.read, report.accepted, report.duplicates, report.quarantined)),
        style="bold",
    )
    return table
