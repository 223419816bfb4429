"""Refused lines of logs, read again as people have mended them."""

from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from scheduler.errors import InvalidInput
from scheduler.ingest import known_formats
from scheduler.logs.base import Refused, Source
from scheduler.logs.reading import stem
from scheduler.records import TaskRecord
from scheduler.store.mending import Origin

AGAIN = "mend the file and read it again: allot ingest"


def read_again(
    line: Refused,
    text: str,
    *,
    origin: Origin | None,
    timezone: ZoneInfo,
    header: str = "",
) -> tuple[str, TaskRecord]:
    """The record that a mended line holds, with its content key; nothing is kept.

    It is read as its file was: in that format, of that run, and below the same header; `header`
    takes its place where it is not known. Raises InvalidInput where the line still breaks a rule,
    is not one line, or cannot be read without the rest of its document.
    """
    form = known_formats().get(origin.format) if origin else None
    if origin is None or form is None:
        raise InvalidInput(f"{line.file} is no log that was read here; {AGAIN}.")
    if form.whole:
        raise InvalidInput(f"A line of {form.title} says nothing without the others; {AGAIN}.")
    head = (origin.header or header).strip("\r\n") if form.headed else ""
    if form.headed and not head.strip():
        raise InvalidInput("The header of its file is not known: say what the cells are.")
    lines = ([head] if head else []) + [text.strip("\r\n")]
    with TemporaryDirectory() as folder:
        path = Path(folder) / (Path(line.file).name or "log")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        found = list(form.read(Source(path, origin.run or stem(Path(line.file)), timezone)))
    if len(found) != 1:
        raise InvalidInput(f"A mended line must be one line, found {len(found)} of them.")
    if isinstance(found[0], Refused):
        broken = found[0]
        raise InvalidInput(f"It still breaks a rule: {broken.field} {broken.rule}, "
                           f"found {broken.value}.")  # fmt: skip
    return found[0].key(), found[0]
