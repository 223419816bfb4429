"""Files as text, lines and rows, checked and bounded: what every log format begins with."""

import codecs
import csv
import gzip
import re
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

from scheduler.errors import InvalidRecord, UnreadableLog
from scheduler.logs.base import Refused, Source
from scheduler.logs.parsing import strict_json
from scheduler.records import TaskRecord

HEAD = 1 << 16  # bytes looked at to recognise a format
LONGEST_LINE = 1 << 20  # bytes; a longer line is refused, never held in memory
LONGEST_RAW = 10_000  # characters kept of a refused line
MOST_LINES_IN_ROW = 100  # a quoted cell may span lines; an open quote must not swallow the file
LARGEST_DOCUMENT = 256 << 20  # bytes of a file that is read whole
LARGEST_LOG = 16 << 30  # bytes after decompression
FREE_BYTES, HIGHEST_RATIO = 64 << 20, 200  # compressed logs reach 50:1, a bomb 1000:1
_CHUNK = 1 << 20
_ENDINGS = re.compile(r"(\.(csv|tsv|txt|log|json|jsonl|ndjson))?(\.gz)?$", re.IGNORECASE)
_Quoting = Literal[0, 1, 2, 3]  # as the csv module counts
_Line = tuple[int, str]  # its number from 1, and its text


@dataclass(frozen=True)
class Row:
    """One row of a table: the line it begins on, the text as found, and its cells by column."""

    line: int
    raw: str
    cells: Mapping[str, str]


def head(path: Path) -> str:
    """The beginning of a file as text, however it is encoded; compressed files are opened."""
    with _opened(path) as file:
        start = file.read(HEAD)
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return start.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def stem(path: Path) -> str:
    """A log's name without folder and endings, in a form that can be stored."""
    return _storable(_ENDINGS.sub("", path.name) or path.name)


def header(text: str) -> tuple[str, ...]:
    """The column names on the first line of a table; names are stripped."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    try:
        return tuple(each.strip() for each in _cells(first, _delimiter(first), csv.QUOTE_MINIMAL))
    except csv.Error:
        return ()


def lines(path: Path) -> Iterator[_Line]:
    """Each line with its number, counted from 1, without its line feed.

    The whole file is looked through first, so that nothing is taken of a file that cannot be read.
    A line that is too long comes cut, still too long for `checked_length`. Raises UnreadableLog.
    """
    check_text(path)
    with _opened(path) as file:
        for number, line in enumerate(_bounded(file), start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace")
            yield number, text.removesuffix("\n")


def checked_length(line: str) -> str:
    """The line itself; raises InvalidRecord for one that is too long."""
    if len(line.encode(errors="replace")) > LONGEST_LINE:
        raise InvalidRecord("line", f"must have at most {LONGEST_LINE} bytes", line[:100])
    return line


def table(source: Source, *, tab_quoting: _Quoting = csv.QUOTE_MINIMAL) -> Iterator[Row | Refused]:
    """The rows below the header of a table parted by tabs, commas or semicolons.

    `tab_quoting` says what quotes mean where tabs part the cells. Raises UnreadableLog for a file
    without rows, or with a column that stands twice.
    """
    waiting = deque[_Line]()
    following = _again(lines(source.path), waiting)
    first = next((text for _, text in following if text.strip()), "")
    delimiter = _delimiter(first)
    quoting = tab_quoting if delimiter == "\t" else csv.QUOTE_MINIMAL
    shape = (_checked_columns(source.path, first), delimiter, quoting)
    some = False
    for line, text in following:
        if text.strip():
            some = True
            yield _row(source, (line, text), (following, waiting), shape)
    if not some:
        raise UnreadableLog(
            f"{source.path} has a header and no rows below it; there is nothing to take."
        )


def take(
    source: Source, line: int, raw: str, read: Callable[[], TaskRecord]
) -> TaskRecord | Refused:
    """What `read` gives, or the line refused with the rule that it breaks."""
    try:
        return read()
    except InvalidRecord as error:
        return refused(source, line, raw, error)


def refused(source: Source, line: int, raw: str, error: InvalidRecord) -> Refused:
    """The line with the reason, in a form that any store can keep."""
    kept = raw if len(raw) <= LONGEST_RAW else f"{raw[:LONGEST_RAW]}… ({len(raw)} characters)"
    return Refused(
        file=_storable(source.path.as_posix()),
        line=line,
        field=_storable(error.field[:200]),
        rule=_storable(error.rule),
        value=_storable(error.value),
        raw=_storable(kept),
    )


def document(path: Path) -> object:
    """The value in a JSON file.

    Raises UnreadableLog for a file that cannot be read, is too large to hold, or is not JSON.
    """
    check_text(path, largest=LARGEST_DOCUMENT)
    with _opened(path) as file:
        text = file.read(LARGEST_DOCUMENT + 1).decode("utf-8-sig")
    try:
        return strict_json(text)
    except InvalidRecord as error:
        rule = f"{'the text' if error.field == 'line' else error.field} {error.rule}"
        raise UnreadableLog(f"{path}: {rule}, found {error.value}.") from None


def check_text(path: Path, *, largest: int = LARGEST_LOG) -> None:
    """Raises UnreadableLog for a file that is missing, empty, damaged, not UTF-8, or too large.

    A compressed file is too large when it unpacks to far more than a log would.
    """
    decoder, seen, feeds = codecs.getincrementaldecoder("utf-8")(), 0, 0
    with _opened(path) as file:
        packed = path.stat().st_size
        while chunk := file.read(_CHUNK):
            if seen == 0:
                _check_start(path, chunk)
            kept = len(decoder.getstate()[0])  # bytes of a letter that the last chunk cut
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                place = seen - kept + error.start
                line = feeds + 1 + chunk[: max(error.start - kept, 0)].count(b"\n")
                _not_utf8(path, error.object[error.start], place, line)
            seen, feeds = seen + len(chunk), feeds + chunk.count(b"\n")
            _check_size(path, seen, packed, largest)
        if seen == 0:
            raise UnreadableLog(f"{path} is empty; there is nothing to take.")
        if cut := decoder.getstate()[0]:
            _not_utf8(path, cut[0], seen - len(cut), feeds + 1)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if path.exists() and not path.is_file():
            raise UnreadableLog(f"{path} is not a file.")
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.open(file) as unpacked:
                    yield unpacked  # type: ignore[misc]  # a GzipFile reads like any binary file
            else:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableLog(f"{path} is a damaged gzip file ({error}); fetch it again.") from error
    except FileNotFoundError as error:
        raise UnreadableLog(f"{path} does not exist.") from error
    except OSError as error:
        raise UnreadableLog(f"{path} cannot be read: {error}.") from error


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE + 2):
        rest = line
        while len(rest) == LONGEST_LINE + 2 and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE + 2)
        yield line


def _check_start(path: Path, chunk: bytes) -> None:
    wide = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if wide or b"\x00" in chunk[:1024]:
        place = 0 if wide else chunk.index(b"\x00")
        what = "UTF-16 text" if wide else "not text"
        raise UnreadableLog(
            f"{path} must be UTF-8 text, and is {what}: found the byte 0x{chunk[place]:02x} "
            f"at offset {place}. Save it as UTF-8 and try again."
        )
    if not chunk.strip() and len(chunk) < _CHUNK:
        raise UnreadableLog(f"{path} is empty but for blanks; there is nothing to take.")


def _check_size(path: Path, seen: int, packed: int, largest: int) -> None:
    if seen > largest:
        raise UnreadableLog(
            f"{path} must have at most {largest} bytes, unpacked; it has more. Split it."
        )
    if seen > FREE_BYTES and seen > packed * HIGHEST_RATIO:
        raise UnreadableLog(
            f"{path} unpacks to more than {HIGHEST_RATIO} times its size, which no log does. "
            "If it is one, unpack it first."
        )


def _not_utf8(path: Path, byte: int, place: int, line: int) -> NoReturn:
    raise UnreadableLog(
        f"{path} must be UTF-8 text, found the byte 0x{byte:02x} at offset {place} (line {line}). "
        f"Convert it first, for instance: iconv -f latin1 -t utf-8 {path.name}"
    )


def _delimiter(line: str) -> str:
    return max("\t,;", key=line.count)


def _cells(row: str, delimiter: str, quoting: _Quoting) -> list[str]:
    return next(csv.reader([row], delimiter=delimiter, quoting=quoting, strict=True), [])


def _checked_columns(path: Path, first: str) -> tuple[str, ...]:
    columns = header(first)
    if not columns:
        raise UnreadableLog(f"{path}: the header cannot be read as a table, found {first[:100]!r}.")
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise UnreadableLog(
            f"{path}: each column must stand once, found twice: {', '.join(map(repr, twice))}."
        )
    return columns


def _again(found: Iterator[_Line], waiting: deque[_Line]) -> Iterator[_Line]:
    while (line := waiting.popleft() if waiting else next(found, None)) is not None:
        yield line


def _row(
    source: Source,
    begun: _Line,
    rest: tuple[Iterator[_Line], deque[_Line]],
    shape: tuple[tuple[str, ...], str, _Quoting],
) -> Row | Refused:
    """The row that begins on a line.

    A row that breaks a rule costs one line: those looked at for it wait for their own turn.
    """
    (line, text), (following, waiting), (columns, delimiter, quoting) = begun, rest, shape
    looked_at: list[_Line] = []
    try:
        cells, raw = _whole_row(text, following, looked_at, (delimiter, quoting))
        if len(cells) != len(columns):
            rule = f"must have {len(columns)} cells, as the header has"
            raise InvalidRecord("line", rule, len(cells))
    except InvalidRecord as error:
        waiting.extendleft(reversed(looked_at))
        return refused(source, line, text, error)
    return Row(line, raw, dict(zip(columns, cells, strict=True)))


def _whole_row(
    text: str, following: Iterator[_Line], looked_at: list[_Line], dialect: tuple[str, _Quoting]
) -> tuple[list[str], str]:
    while True:
        try:
            return _cells(checked_length(text), *dialect), text
        except csv.Error as error:
            more = next(following, None) if "unexpected end" in str(error) else None
            if more is None or len(looked_at) == MOST_LINES_IN_ROW:
                looked_at.extend([more] if more else [])
                raise InvalidRecord(
                    "line", f"must be a row of a table ({error})", text[:100]
                ) from None
        looked_at.append(more)
        text = f"{text}\n{more[1]}"


def _storable(text: str) -> str:
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
