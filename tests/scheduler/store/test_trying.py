"""Plans that are kept to compare, and refused lines that are settled."""

from datetime import UTC, datetime

import numpy as np
import pytest

from scheduler.errors import InvalidInput, NotFound
from scheduler.logs.base import Refused
from scheduler.store import Store
from tests.dashboard.filler import a_problem, begin

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def a_run(store: Store) -> int:
    from scheduler.planning.planners.fifo import Fifo

    problem = a_problem(np.random.default_rng(1), 4)
    return begin(store, problem, Fifo().plan(problem), label="", at=NOW)


def test_a_plan_that_is_kept_comes_back_as_it_was(store: Store) -> None:
    run, change = a_run(store), {"removed": ["w1"], "quantile": 0.9}
    figures = {"makespan": 3.5, "cost": 0.0}
    number = store.keep_draft(
        "two", run=run, change=change, planner="heft", figures=figures, by="ann", at=NOW
    )
    (found,) = store.drafts(run=run)
    assert (found.id, found.name, found.run, found.by, found.at) == (number, "two", run, "ann", NOW)
    assert (found.change, found.planner, found.figures) == (change, "heft", figures)
    assert store.drafts(run=run + 1) == ()


def test_a_kept_plan_can_be_forgotten_once(store: Store) -> None:
    run = a_run(store)
    number = store.keep_draft("x", run=run, change={}, planner="", figures={}, by="a", at=NOW)
    store.drop_draft(number)
    assert store.drafts() == ()
    with pytest.raises(NotFound, match=f"no kept plan {number}"):
        store.drop_draft(number)


def quarantined(store: Store, lines: int) -> list[int]:
    refused = [
        Refused("a.csv", i, "duration" if i else "kind", "must be finite", "nan", f"row {i}")
        for i in range(lines)
    ]
    store.quarantine(refused, "a.csv", at=NOW)
    return sorted(each.id for each in store.quarantined())


def test_open_lines_are_counted_by_the_rule_that_they_break(store: Store) -> None:
    numbers = quarantined(store, 4)
    rule = "must be finite"
    assert store.refused_by_rule() == (("duration", rule, 3), ("kind", rule, 1))
    store.put_aside(numbers[:2], by="ann", reason="test data", at=NOW)
    assert store.refused_by_rule() == (("duration", rule, 2),)
    assert [each.id for each in store.quarantined(state="aside")] == numbers[1::-1]
    assert [each.reason for each in store.audits(action="put aside")] == ["test data"] * 2


def test_where_one_line_is_settled_already_none_is_put_aside(store: Store) -> None:
    numbers = quarantined(store, 3)
    store.put_aside(numbers[:1], by="ann", reason="", at=NOW)
    with pytest.raises(InvalidInput, match="already"):
        store.put_aside(numbers, by="bob", reason="", at=NOW)
    assert store.quarantine_count(state="open") == 2
    assert len(store.audits()) == 1


def test_the_last_reading_of_a_file_tells_how_its_lines_are_read(store: Store) -> None:
    counts = {"read": 1, "accepted": 1, "duplicates": 0, "quarantined": 0}
    for header in ("a,b", "a;b"):
        store.note_ingest(
            file="a.csv", format="csv_table", at=NOW, run="r", header=header, **counts
        )
    found = store.origin("a.csv")
    assert found is not None
    assert (found.format, found.run, found.header) == ("csv_table", "r", "a;b")
    assert store.origin("b.csv") is None
