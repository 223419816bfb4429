"""Which planner a door takes, and what it says where that planner was the wrong one."""

from collections.abc import Collection, Mapping, Sequence

from rich.text import Text

from scheduler.door import Door
from scheduler.numbers import counted
from scheduler.planning.objective import AIMS, Objective
from scheduler.planning.violation import Violation

TOLD = 3  # violations that a person is shown
USUAL, OF_AIMS, THOROUGH = "heft", "portfolio", "search"
ALONE = frozenset({"makespan"})
HEEDED: Mapping[str, frozenset[str]] = {  # the aims of each planner that knows more than one
    "portfolio": frozenset(AIMS),
    "search": frozenset(AIMS),
    "cp_sat": frozenset(AIMS),
    "thrifty": frozenset(AIMS),
    "urgent": frozenset({"makespan", "tardiness", "flow", "fairness"}),
}


def chosen(door: Door, name: str | None, asked: Objective) -> str:
    """The planner of that name; without one heft, or portfolio where the objective asks for more.

    Says so where the planner does not look at an aim.
    """
    aims = {aim for aim, weight in asked.weights.items() if weight}
    limited = asked.hard_deadlines or asked.budget is not None or bool(asked.quotas)
    if name is None:
        return OF_AIMS if limited or aims != ALONE else USUAL
    tell_ignored(door, name, aims)
    return name


def tell_ignored(door: Door, name: str, aims: Collection[str]) -> None:
    """Says which of the aims the planner does not look at, and who looks at all of them."""
    if odd := [aim for aim in AIMS if aim in aims and aim not in HEEDED.get(name, ALONE)]:
        able = ", ".join(each for each, known in HEEDED.items() if known.issuperset(aims))
        _tell(door, f"The planner {name} does not look at {' and '.join(odd)}; these do: {able}.")


def tell_broken(door: Door, name: str, broken: Sequence[Violation]) -> None:
    """Says what the plan breaks, and what to do next."""
    first = " ".join(each.message for each in broken[:TOLD])
    more = f" And {len(broken) - TOLD} more." if len(broken) > TOLD else ""
    rules = counted(len(broken), "rule")
    _tell(door, f"The plan of {name} breaks {rules}: {first}{more} {next_try(name)}")


def next_try(name: str) -> str:
    """What may find a plan that keeps every limit where this planner found none."""
    longer = "longer, by --budget SECONDS" if name == THOROUGH else f"--planner {THOROUGH}"
    return f"Try {longer}, or loosen a limit."


def _tell(door: Door, words: str) -> None:
    door.words.print(Text(words, style="yellow"), soft_wrap=True)
