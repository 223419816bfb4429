"""The rules of a feasible schedule, and what a broken one looks like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Rule(StrEnum):
    """The rules of a feasible, complete schedule."""

    MISSING_TASK = "missing_task"
    UNKNOWN_TASK = "unknown_task"
    UNKNOWN_WORKER = "unknown_worker"
    PLACED_TWICE = "placed_twice"
    INVALID_TIME = "invalid_time"
    HISTORY_CHANGED = "history_changed"
    BEFORE_NOW = "before_now"
    BEFORE_RELEASE = "before_release"
    TOO_SHORT = "too_short"
    CLOSED = "closed"
    PRECEDENCE = "precedence"
    SKILLS = "skills"
    BARRED = "barred"
    CORES_BELOW_NEED = "cores_below_need"
    MEMORY_BELOW_NEED = "memory_below_need"
    CORES_OVER_CAPACITY = "cores_over_capacity"
    MEMORY_OVER_CAPACITY = "memory_over_capacity"
    POOL_OVER_CAPACITY = "pool_over_capacity"
    OVER_QUOTA = "over_quota"
    AFTER_DEADLINE = "after_deadline"
    OVER_BUDGET = "over_budget"
    GANG = "gang"
    APART = "apart"


@dataclass(frozen=True)
class Violation:
    """One broken rule: which, of which task or worker, in words, and the numbers behind them."""

    rule: Rule
    task: str | None
    worker: str | None
    message: str
    facts: Mapping[str, object] = field(default_factory=dict)
