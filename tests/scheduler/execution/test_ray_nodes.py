"""What a node of a Ray cluster tells of attempts by the claims that it has."""

from pathlib import Path
from typing import Any

from scheduler.execution.claims import Claims, Name
from scheduler.execution.executors.ray_nodes import recalled
from scheduler.processes import Identity

RUN = "store 1, run 7"
FIRST, SECOND = Name("t", 1, 1), Name("u", 1, 1)


def asked(root: Path, name: Name, *, sure: bool) -> Any:
    plain = {"root": str(root), "run": RUN, "name": vars(name)}
    (found,) = recalled([plain], vars(Identity.here()), sure)
    return found


def test_a_node_that_never_claimed_anything_of_a_run_cannot_say_that_an_attempt_has_not_begun(
    tmp_path: Path,
) -> None:
    found = asked(tmp_path, FIRST, sure=False)
    assert (found.fate, "knows nothing of its run" in found.why) == ("unknown", True)
    assert asked(tmp_path, FIRST, sure=False).fate == "unknown"  # asking has left no trace


def test_a_node_that_has_claimed_something_of_the_run_can(tmp_path: Path) -> None:
    assert Claims(tmp_path, RUN).take(SECOND, Identity.here())
    assert asked(tmp_path, FIRST, sure=False).fate == "not_begun"
    assert not Claims(tmp_path, RUN).take(FIRST, Identity.here())  # and it never will


def test_a_node_on_which_it_was_to_begin_can_in_any_case(tmp_path: Path) -> None:
    assert asked(tmp_path, FIRST, sure=True).fate == "not_begun"
