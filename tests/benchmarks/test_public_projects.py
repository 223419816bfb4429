"""The parsers of public project and job-shop instances, on texts written here."""

import pytest

from benchmarks.public import fjsp, psplib
from benchmarks.public.psplib import Known, bounds

PROJECT = """\
jobs (incl. supersource/sink ):  4
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          2           2   3
   2        1          1           4
   3        1          1           4
   4        1          0
************************************************************************
REQUESTS/DURATIONS:
jobnr. mode duration  R 1  R 2
------------------------------------------------------------------------
  1      1     0       0    0
  2      1     8       4    0
  3      1     3       0    2
  4      1     0       0    0
************************************************************************
RESOURCEAVAILABILITIES:
  R 1  R 2
   12    5
"""
SHOP = """2 3 1.5
2 1 2 5 2 1 4 3 6
1 3 1 1 2 2 3 3
"""


def test_a_project_is_tasks_that_hold_pools() -> None:
    problem = psplib.parsed("small", PROJECT)
    assert [task.id for task in problem.workflow.tasks] == ["2", "3"]
    assert problem.duration.tolist() == [[8.0], [3.0]]
    assert problem.cluster.pools == {"r1": 12.0, "r2": 5.0}
    assert problem.workflow.task("2").pools == {"r1": 4.0}


def test_activities_without_duration_pass_their_order_on() -> None:
    text = PROJECT.replace(
        "   2        1          1           4", "   2        1          1           3"
    )
    text = text.replace(
        "   1        1          2           2   3", "   1        1          1           2"
    )
    problem = psplib.parsed("small", text)
    assert [(e.source, e.target) for e in problem.workflow.dependencies] == [("2", "3")]


def test_a_shop_is_chains_of_operations_on_able_machines() -> None:
    problem = fjsp.parsed("small", SHOP)
    assert [task.id for task in problem.workflow.tasks] == ["1.1", "1.2", "2.1"]
    assert [(e.source, e.target) for e in problem.workflow.dependencies] == [("1.1", "1.2")]
    assert problem.eligible.tolist() == [[False, True, False], [True, False, True], [True] * 3]
    assert problem.duration[1, 2] == 6.0


@pytest.mark.parametrize(
    ("text", "known"),
    [("43", Known(43, 43)), ("104..105", Known(104, 105)), (" ..89", Known(0, 89))],
)
def test_bounds_are_read_as_they_are_written(text: str, known: Known) -> None:
    assert bounds(text) == known
