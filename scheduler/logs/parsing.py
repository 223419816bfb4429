"""JSON, numbers and times as logs write them, read strictly: a refusal names the field."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from scheduler.errors import InvalidRecord

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})


def strict_json(text: str) -> object:
    """The JSON value of a text.

    Not-a-number, infinities and endless integers come as floats, so that who knows the field can
    refuse them by name. Raises InvalidRecord for what is not JSON, a key that stands twice in one
    object, and nesting too deep to read.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_int=_whole)
    except json.JSONDecodeError as error:
        around = text[max(error.pos - 20, 0) : error.pos + 20]
        rule = f"must be JSON ({error.msg} at line {error.lineno}, character {error.colno})"
        raise InvalidRecord("line", rule, around) from None
    except RecursionError:
        raise InvalidRecord("line", "must not nest so deeply", text[:20]) from None


def number(column: str, text: str) -> float:
    """A number of zero or more; whole ones stay whole.

    Raises InvalidRecord naming the column.
    """
    stripped = text.strip()
    if stripped.lstrip("+-").lower() in _NOT_FINITE:
        raise InvalidRecord(column, "must be finite", text)
    if not _NUMBER.fullmatch(stripped):
        raise InvalidRecord(column, "must be a number", text)
    value = int(stripped) if _WHOLE.fullmatch(stripped) else float(stripped)
    if value in (float("inf"), float("-inf")):
        raise InvalidRecord(column, "must be finite", text)
    if value < 0:
        raise InvalidRecord(column, "must not be negative", value)
    return value


def whole_number(column: str, text: str) -> int:
    """A whole number of either sign; raises InvalidRecord naming the column."""
    digits = re.sub(r"\.0+$", "", text.strip())  # spreadsheets write 1 as 1.0 where cells are empty
    if not _WHOLE.fullmatch(digits):
        raise InvalidRecord(column, "must be a whole number", text)
    return int(digits)


def utc_time(
    column: str, text: str, zone: ZoneInfo, *, not_before: datetime | None = None
) -> datetime:
    """An ISO 8601 time in UTC; one that names no zone is taken in `zone`.

    A clock that is set back shows an hour twice: the first is meant, unless that lies before
    `not_before` and the second does not. Raises InvalidRecord naming the column.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        first, second = (found.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except (ValueError, OverflowError):
        raise InvalidRecord(column, "must be an ISO 8601 time", text) from None
    return second if not_before is not None and first < not_before <= second else first


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise InvalidRecord(twice, "must stand once in an object", twice)
    return found


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= 30 else float(digits)
