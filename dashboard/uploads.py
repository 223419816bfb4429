"""Logs that a viewer uploads: into the store under their own names; no streamlit here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from scheduler.ingest import IngestReport, ingest
from scheduler.logs.base import Refused
from scheduler.records import TaskRecord
from scheduler.store import Store


@dataclass(frozen=True)
class Upload:
    """A file as it came: its name and its bytes."""

    name: str
    content: bytes


def take(
    files: Sequence[Upload],
    store: Store,
    *,
    format: str | None,
    timezone: ZoneInfo,
    now: datetime,
    dry_run: bool,
) -> IngestReport:
    """Ingests uploaded files as if they lay here; a dry run says what would become of them.

    Two files of one name are told apart by a number.
    """
    with TemporaryDirectory() as folder:
        paths = [_lay(Path(folder), i, each) for i, each in enumerate(files)]
        report = ingest(
            paths,
            _Renamed(store, folder),
            now=now,
            format=format,
            timezone=timezone,
            dry_run=dry_run,
        )
    return IngestReport(
        tuple(
            replace(
                each, file=_own(each.file, folder), error=each.error and _own(each.error, folder)
            )
            for each in report.files
        )
    )


@dataclass(frozen=True)
class _Renamed:
    """The store, told the names of files as they were uploaded, not where they lay meanwhile."""

    store: Store
    folder: str

    def add_records(self, keyed: Sequence[tuple[str, TaskRecord]], source: str) -> int:
        return self.store.add_records(keyed, _own(source, self.folder))

    def known_keys(self, keys: Sequence[str]) -> frozenset[str]:
        return self.store.known_keys(keys)

    def quarantine(self, refused: Sequence[Refused], source: str, *, at: datetime) -> int:
        own = [replace(each, file=_own(each.file, self.folder)) for each in refused]
        return self.store.quarantine(own, _own(source, self.folder), at=at)

    def note_ingest(
        self,
        *,
        file: str,
        format: str,
        read: int,
        accepted: int,
        duplicates: int,
        quarantined: int,
        at: datetime,
        run: str = "",
        header: str = "",
    ) -> None:
        self.store.note_ingest(
            file=_own(file, self.folder), format=format, read=read, accepted=accepted,
            duplicates=duplicates, quarantined=quarantined, at=at, run=run, header=header,
        )  # fmt: skip


def _lay(folder: Path, number: int, upload: Upload) -> Path:
    """Each file in a folder of its own, so that it keeps its name."""
    name = Path(upload.name.replace("\\", "/")).name
    place = folder / str(number) / (name if name not in ("", ".", "..") else "log")
    place.parent.mkdir()
    place.write_bytes(upload.content)
    return place


def _own(text: str, folder: str) -> str:
    """The text with the names of files as they were uploaded."""
    before = Path(folder).as_posix() + "/"
    while before in text:
        head, _, tail = text.partition(before)
        text = head + tail.partition("/")[2]
    return text
