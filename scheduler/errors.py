"""What can go wrong, as one tree.

    AllotError
    ├── InvalidInput          something from outside breaks a rule
    │   ├── InvalidWorkflow   tasks and dependencies do not form a workflow
    │   ├── InvalidCluster    workers do not form a cluster
    │   ├── InvalidRecord     one observation breaks a rule: goes to quarantine
    │   └── UnreadableLog     a whole file cannot be read
    ├── Infeasible            the problem has no schedule, with the reasons
    ├── NotFound              a name that the store or the command line does not know
    ├── StoreError            the database cannot be used as it is
    │   └── StoreAway         it cannot be used just now: what was asked may be tried again
    ├── StaleEpoch            somebody else has taken over what this was to be written for
    └── CorruptVersion        a saved network is not what was saved

Every message names the thing, the rule and the value found; the facts are attributes too.
"""

from collections.abc import Sequence

_NAMED = 3  # reasons that a message tells before it counts the rest


class AllotError(Exception):
    """The root: whoever runs a command sees its message and exit code 1."""


class InvalidInput(AllotError, ValueError):
    """Something from outside breaks a rule."""


class InvalidWorkflow(InvalidInput):
    """Tasks and dependencies that do not form a workflow; `tasks` names the offenders."""

    def __init__(self, message: str, tasks: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tasks = tuple(tasks)


class InvalidCluster(InvalidInput):
    """Workers that do not form a cluster; `workers` names the offenders."""

    def __init__(self, message: str, workers: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.workers = tuple(workers)


class InvalidRecord(InvalidInput):
    """One observation breaks a rule: `field` holds `value`, against `rule`."""

    def __init__(self, field: str, rule: str, value: object) -> None:
        super().__init__(f"{field} {rule}, found {_shown(value)}")
        self.field, self.rule, self.value = field, rule, _shown(value)


class UnreadableLog(InvalidInput):
    """A file from which nothing can be taken: missing, not text, empty, of no known format."""


class Infeasible(AllotError):
    """No schedule exists; each of `reasons` names the tasks and what they cannot keep or have."""

    def __init__(self, reasons: Sequence[str]) -> None:
        more = len(reasons) - _NAMED
        told = [
            *reasons[:_NAMED],
            *([f"and {more} more reason{'s' if more > 1 else ''}"] if more > 0 else []),
        ]
        super().__init__("; ".join(told))
        self.reasons = tuple(reasons)


class NotFound(AllotError, LookupError):
    """A name that is not known here; the message lists what is."""


class StoreError(AllotError):
    """The database cannot be used as it is; the message says what to do."""


class StoreAway(StoreError):
    """The database cannot be used just now: locked, full, or its connection lost.

    What was being written may have been written all the same: only another look at it tells.
    """


class StaleEpoch(AllotError):
    """Somebody else has taken over: nothing was written, and nothing more may be done."""


class CorruptVersion(AllotError):
    """A saved network whose files are not those that were registered."""


def _shown(value: object, most: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"
