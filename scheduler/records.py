"""What was observed of one attempt: the one shape that every log becomes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum

from scheduler.errors import InvalidRecord

LONGEST_TEXT = 1000
LONGEST_KEY = 200
MOST_ATTEMPTS = 1_000_000
LARGEST = 1e18  # larger than any byte count or duration that a real log holds


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """One attempt as observed. Seconds, bytes, cores; times are aware and in UTC.

    `sizes` were known before the start. `measured` was measured by the attempt itself (bytes read,
    context switches): it never becomes a feature. `duration` is the run alone, without queueing.
    `cpu` is the mean number of cores in use. None means not observed, never zero.

    Raises InvalidRecord naming the field, the rule and the value.
    """

    run: str
    task: str
    kind: str
    outcome: Outcome
    worker: str | None = None
    workflow: str | None = None
    attempt: int = 1
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    duration: float | None = None
    peak_memory: float | None = None
    cpu: float | None = None
    requested_cores: float | None = None
    requested_memory: float | None = None
    allocated_memory: float | None = None
    time_limit: float | None = None
    exit_code: int | None = None
    sizes: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    predecessors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("run", "task", "kind"):
            _check_name(name, getattr(self, name))
        for name in ("worker", "workflow"):
            if getattr(self, name) is not None:
                _check_name(name, getattr(self, name))
        for name in _NUMBERS:
            _check_number(name, getattr(self, name))
        for name, mapping in (("sizes", self.sizes), ("measured", self.measured)):
            for key, value in mapping.items():
                _check_key(name, key)
                _check_number(f"{name}.{key}", value)
        for name in ("submitted", "started", "ended"):
            _check_time(name, getattr(self, name))
        if self.started and self.ended and self.ended < self.started:
            raise InvalidRecord("ended", "must not be before started", self.ended.isoformat())
        _check_whole("attempt", self.attempt, 1, MOST_ATTEMPTS)
        if self.exit_code is not None:
            _check_whole("exit_code", self.exit_code, -(2**63), 2**63 - 1)
        for each in self.predecessors:
            _check_name("predecessors", each)

    def canonical(self) -> str:
        """The record as one line of JSON with a fixed order: equal records, equal text.

        A whole number is written as the float that it equals, as databases give it back.
        """
        plain = {name: _as_float(name, value) for name, value in as_plain(self).items()}
        return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def key(self, ordinal: int = 0) -> str:
        """The content key: sha256 of the record and of how many equal ones came before it.

        Two equal attempts in one log stay two; the same log read again gives the same keys.
        """
        return hashlib.sha256(f"{ordinal}\n{self.canonical()}".encode()).hexdigest()


_NUMBERS = (
    "duration",
    "peak_memory",
    "cpu",
    "requested_cores",
    "requested_memory",
    "allocated_memory",
    "time_limit",
)
_TIMES = ("submitted", "started", "ended")


def as_plain(record: TaskRecord) -> dict[str, object]:
    """The record as JSON values, without what was not observed."""
    plain: dict[str, object] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if value is None or value == () or value == {}:
            continue
        plain[each.name] = value.isoformat() if isinstance(value, datetime) else _plain(value)
    return plain


def from_plain(plain: Mapping[str, object]) -> TaskRecord:
    """The record that `as_plain` wrote.

    Raises InvalidRecord for an unknown field, a missing one, or a value that breaks a rule.
    """
    known = {each.name for each in fields(TaskRecord)}
    for name in plain:
        if name not in known:
            raise InvalidRecord(str(name), "is not a field of a record", plain[name])
    for name in ("run", "task", "kind", "outcome"):
        if plain.get(name) in (None, ""):
            raise InvalidRecord(name, "must be given", plain.get(name))
    values = {name: _from_plain(name, value) for name, value in plain.items()}
    return TaskRecord(**values)  # type: ignore[arg-type]


def _as_float(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {key: each + 0.0 for key, each in value.items()}
    return value + 0.0 if name in _NUMBERS and isinstance(value, (int, float)) else value


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return dict(sorted(value.items())) if isinstance(value, Mapping) else value


def _from_plain(name: str, value: object) -> object:
    if name == "outcome":
        if not isinstance(value, str) or value not in set(Outcome):
            raise InvalidRecord(name, f"must be one of {', '.join(Outcome)}", value)
        return Outcome(str(value))
    if name in _TIMES and isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise InvalidRecord(name, "must be an ISO 8601 time", value) from None
    if name == "predecessors":
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InvalidRecord(name, "must be a list of task ids", value)
        return tuple(value)
    if name in ("sizes", "measured") and not isinstance(value, Mapping):
        raise InvalidRecord(name, "must map names to numbers", value)
    if name in ("attempt", "exit_code") and (isinstance(value, bool) or not isinstance(value, int)):
        raise InvalidRecord(name, "must be a whole number", value)
    return value


def _check_name(field_name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRecord(field_name, "must be a text that is not empty", value)
    if len(value) > LONGEST_TEXT:
        raise InvalidRecord(field_name, f"must have at most {LONGEST_TEXT} characters", value)
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidRecord(
            field_name, "must be text that can be stored (no NUL, no lone surrogate)", value
        )


def _check_number(field_name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidRecord(field_name, "must be a number", value)
    if value != value or value in (float("inf"), float("-inf")):
        raise InvalidRecord(field_name, "must be finite", value)
    if value < 0:
        raise InvalidRecord(field_name, "must not be negative", value)
    if value > LARGEST:
        raise InvalidRecord(field_name, f"must be at most {LARGEST:g}", value)


def _check_key(field_name: str, key: object) -> None:
    plain = isinstance(key, str) and key == key.strip() and key.isprintable()
    if not plain or not 0 < len(str(key)) <= LONGEST_KEY:
        rule = f"must have printable names of 1 to {LONGEST_KEY} characters"
        raise InvalidRecord(field_name, rule, key)


def _check_whole(field_name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRecord(field_name, "must be a whole number", value)
    if value < least:
        raise InvalidRecord(field_name, f"must be at least {least}", value)
    if value > most:
        raise InvalidRecord(field_name, f"must be at most {most}", value)


def _check_time(field_name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, datetime) or value.tzinfo is None or value.utcoffset() is None:
        raise InvalidRecord(field_name, "must be a time with a zone", value)
    if value.utcoffset() != UTC.utcoffset(None):
        raise InvalidRecord(field_name, "must be in UTC", value.isoformat())
