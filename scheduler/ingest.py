"""Logs into the store: each record once, each refused line kept with its reason."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from scheduler import logs
from scheduler.discover import implementations, named
from scheduler.errors import UnreadableLog
from scheduler.logs.base import LogFormat, Refused, Source
from scheduler.logs.reading import LONGEST_RAW, check_text, head, stem
from scheduler.records import TaskRecord

BATCH = 5_000
_UTC = ZoneInfo("UTC")
Progress = Callable[[str, int], None]  # a file, and how many of its lines have been read


class Keeper(Protocol):
    """What ingesting asks of the store."""

    def add_records(self, keyed: Sequence[tuple[str, TaskRecord]], source: str) -> int:
        """Keeps records under their keys; says how many were new."""

    def known_keys(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys under which a record is kept."""

    def quarantine(self, refused: Sequence[Refused], source: str, *, at: datetime) -> int:
        """Keeps refused lines; says how many were new."""

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
        """Notes what became of one file, and what its lines are read with."""


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What became of one file. Always `read == accepted + duplicates + quarantined`.

    `quarantined` counts the refused lines of this reading, also those that the store knew. A file
    of a folder that is no log has been `skipped`, with the reason; one that could not be read has
    an `error`. After a dry run the counts say what would have become of the lines.
    """

    file: str
    run: str = ""
    format: str | None = None
    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    skipped: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class IngestReport:
    """What became of everything that was given."""

    files: tuple[FileReport, ...]

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats met, in order of their names."""
        return tuple(sorted({each.format for each in self.files if each.format}))

    @property
    def read(self) -> int:
        """Lines (rows, tasks) that held something."""
        return sum(each.read for each in self.files)

    @property
    def accepted(self) -> int:
        """Records that are new to the store."""
        return sum(each.accepted for each in self.files)

    @property
    def duplicates(self) -> int:
        """Records that the store had."""
        return sum(each.duplicates for each in self.files)

    @property
    def quarantined(self) -> int:
        """Lines that break a rule."""
        return sum(each.quarantined for each in self.files)

    @property
    def errors(self) -> tuple[str, ...]:
        """Why files could not be read; the caller decides what that means for the whole."""
        return tuple(each.error for each in self.files if each.error)


def known_formats() -> dict[str, LogFormat]:
    """Every log format by its name."""
    return {name: form() for name, form in implementations(logs, LogFormat).items()}  # type: ignore[type-abstract]


def ingest(
    paths: Iterable[Path],
    store: Keeper,
    *,
    now: datetime,
    format: str | None = None,
    timezone: ZoneInfo = _UTC,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> IngestReport:
    """Takes the logs at `paths`, files and folders, into the store.

    Files tell their format by their beginning; `format` says it for the files given, and takes only
    files of that format from folders. `timezone` is that of times without a zone. A file that
    cannot be read is told in the report and costs the others nothing; what has been taken stays
    taken. Raises NotFound for an unknown format, StoreError where the store cannot be used.
    """
    formats = known_formats()
    if format is not None:
        formats = {format: named(format, _classes(formats), "log format")()}
    reader = _Reader(
        formats, store, now, timezone, dry_run, on_progress or (lambda _, __: None), format
    )
    return IngestReport(tuple(report for path in paths for report in reader.take_all(path)))


@dataclass(frozen=True)
class _Found:
    """A file, and whether somebody named it or a folder held it."""

    path: Path
    named: bool


@dataclass(frozen=True)
class _Reader:
    formats: Mapping[str, LogFormat]
    store: Keeper
    now: datetime
    timezone: ZoneInfo
    dry_run: bool
    progress: Progress
    forced: str | None

    def take_all(self, path: Path) -> Iterator[FileReport]:
        """A file, or every log in a folder."""
        taken = 0
        for each in _found(path):
            report = self.take(each)
            taken += report.skipped is None
            yield report
        if not taken:
            name = _told(path.as_posix())
            yield FileReport(
                file=name, error=f"{name} is a folder that holds no log of a known format."
            )

    def take(self, found: _Found) -> FileReport:
        """One file into the store."""
        file = _told(found.path.as_posix())
        try:
            start = head(found.path)
            form = (self.forced if found.named else None) or self._format(found, start)
            if form is None:
                return FileReport(file=file, skipped="is no log of a known format")
            source = Source(found.path, _run(found.path, start), self.timezone)
            return self._read(file, form, source, start)
        except UnreadableLog as error:
            return FileReport(file=file, error=_told(str(error)))

    def _format(self, found: _Found, start: str) -> str | None:
        for name, form in self.formats.items():
            if form.recognises(found.path, start):
                return name
        if not found.named:
            return None
        check_text(found.path)
        titles = ", ".join(f"{form.title} ({name})" for name, form in self.formats.items())
        raise UnreadableLog(
            f"{found.path} is of no known format, found a file that begins with {start[:60]!r}. "
            f"Known: {titles}. If it is one of these, say which: --format NAME."
        )

    def _read(self, file: str, form: str, source: Source, start: str) -> FileReport:
        read = accepted = quarantined = 0
        seen: Counter[bytes] = Counter()
        for batch in _batches(self.formats[form].read(source)):
            records = [each for each in batch if isinstance(each, TaskRecord)]
            refused = [each for each in batch if isinstance(each, Refused)]
            keyed = [(_key(each, seen), each) for each in records]
            read, quarantined = read + len(batch), quarantined + len(refused)
            accepted += self._keep(file, keyed, refused)
            self.progress(file, read)
        report = FileReport(
            file=file,
            run=source.run,
            format=form,
            read=read,
            accepted=accepted,
            duplicates=read - accepted - quarantined,
            quarantined=quarantined,
        )
        if not self.dry_run:
            self._note(report, header_of(start) if self.formats[form].headed else "")
        return report

    def _note(self, report: FileReport, header: str) -> None:
        self.store.note_ingest(
            file=report.file,
            format=str(report.format),
            read=report.read,
            accepted=report.accepted,
            duplicates=report.duplicates,
            quarantined=report.quarantined,
            at=self.now,
            run=report.run,
            header=header,
        )

    def _keep(
        self, file: str, keyed: Sequence[tuple[str, TaskRecord]], refused: Sequence[Refused]
    ) -> int:
        if self.dry_run:
            return len(keyed) - len(self.store.known_keys([key for key, _ in keyed]))
        if refused:
            self.store.quarantine(refused, file, at=self.now)
        return self.store.add_records(keyed, file)


def header_of(start: str) -> str:
    """The line that heads a table which begins so, in a form that can be stored."""
    first = next((line for line in start.splitlines() if line.strip()), "")
    return first[:LONGEST_RAW].replace("\0", "")


def _key(record: TaskRecord, seen: Counter[bytes]) -> str:
    """The content key; equal records of one file are counted, so that they stay apart."""
    key = record.key()
    digest = bytes.fromhex(key)
    before = seen[digest]
    seen[digest] += 1
    return record.key(before) if before else key


def _batches(found: Iterator[TaskRecord | Refused]) -> Iterator[list[TaskRecord | Refused]]:
    batch: list[TaskRecord | Refused] = []
    for each in found:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _found(path: Path) -> Iterator[_Found]:
    if not path.is_dir():
        yield _Found(path, named=True)
        return
    for each in sorted(path.rglob("*")):
        if each.is_file():
            yield _Found(each, named=False)


def _run(path: Path, start: str) -> str:
    """The run that a log stands for which names none: its name, and a mark of how it begins.

    The same whether the file or a folder above it is given, on every machine, and while the log
    grows; another for a log of the same name in another folder.
    """
    first = "\n".join([line for line in start.splitlines() if line.strip()][:2])
    return f"{stem(path)}-{hashlib.sha256(first.encode()).hexdigest()[:8]}"


def _told(text: str) -> str:
    """Names of files need not be text that can be stored."""
    return text.encode("utf-8", "backslashreplace").decode()


def _classes(formats: Mapping[str, LogFormat]) -> dict[str, type[LogFormat]]:
    return {name: type(form) for name, form in formats.items()}
