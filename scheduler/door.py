"""What every command shares: settings, the store, one answer on stdout, words on stderr."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from scheduler import settings as all_settings
from scheduler.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Database URL of the store [default: sqlite:///allot.db].",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, max=2**32 - 1, help="Makes the command repeatable.", show_default=False
    ),
]


@dataclass(frozen=True)
class Door:
    """One running command: where it reads its settings, and how it speaks."""

    settings: Settings
    json: bool
    words: Console = field(default_factory=lambda: Console(stderr=True, markup=False))

    @classmethod
    def open(cls, *, json: bool = False, **flags: object) -> "Door":
        """A door with the settings in force; flags that are None were not given."""
        return cls(all_settings.load(**flags), json)

    @contextmanager
    def store(self) -> Iterator[Any]:
        """The store that the settings name, open for the length of the block."""
        from scheduler.store import Store

        with Store.open(self.settings.store, folder=self.settings.folder) as store:
            yield store

    def answer(self, document: Mapping[str, Any], shown: RenderableType | None = None) -> None:
        """The command's result on stdout: the document with --json, else what a person reads."""
        if self.json:
            typer.echo(
                json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=str)
            )
        else:
            Console(markup=False).print(shown if shown is not None else dict(document))

    def say(self, words: RenderableType) -> None:
        """Words for the person who waits, on stderr."""
        self.words.print(words)

    def progress(self) -> Progress:
        """A progress display on stderr; it stays silent where stderr is not a terminal."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.words,
            disable=not self.words.is_terminal,
        )

    def now(self) -> datetime:
        """The clock, read at the edge."""
        return datetime.now(UTC)
