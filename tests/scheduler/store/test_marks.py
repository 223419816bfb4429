"""The marks by which screens see that something is new, on every engine that is there."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from scheduler.execution.events import AttemptStarted
from scheduler.logs.base import Refused
from scheduler.planning.planners.fifo import Fifo
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.store.marks import PARTS
from scheduler.store.values import Drift, Metric, ModelVersion
from tests.dashboard.filler import START, a_problem, begin

LATER = START + timedelta(hours=1)


def drift(store: Store) -> None:
    store.note_drift(Drift("duration", "sort", "w1", 1.8, 40, 6.5, "", START, START))


def a_run(store: Store) -> None:
    problem = a_problem(np.random.default_rng(1), 4)
    begin(store, problem, Fifo().plan(problem), label="", at=START)


def began(store: Store) -> None:
    problem = a_problem(np.random.default_rng(1), 4)
    first = Fifo().plan(problem).placements[0]
    started = AttemptStarted(first.task, 1, first.worker, 0.5, START, first.allocation)
    store.append_events(1, [started], at=START)


def a_draft(store: Store) -> None:
    store.keep_draft("fewer", run=1, change={}, planner="heft", figures={}, by="ada", at=START)


def a_version(store: Store) -> None:
    store.add_version(ModelVersion("mmoe-1", "mmoe", START, "00"))


def a_record(store: Store) -> None:
    record = TaskRecord(run="r", task="a", kind="sort", outcome=Outcome.SUCCEEDED, duration=1.0)
    store.add_records([("0" * 64, record)], "a.csv")


def a_judgement(store: Store) -> None:
    store.judge_source("a.csv", state="on hold", reason="odd", by="ada", at=START)


STEPS: tuple[tuple[str, Callable[[Store], object]], ...] = (
    ("runs", a_run),
    ("events", began),
    ("runs", lambda s: s.end_run(1, state="waiting", makespan=None, message="", at=LATER)),
    ("runs", lambda s: s.end_run(1, state="failed", makespan=1.0, message="", at=LATER)),
    ("drafts", a_draft),
    ("drafts", lambda s: s.drop_draft(1)),
    ("drifts", drift),
    ("drifts", lambda s: s.settle_drifts([1], state="acknowledged")),
    ("networks", a_version),
    ("aliases", lambda s: s.challenge("mmoe-1", reason="new", by="loop", at=START)),
    ("promotions", lambda s: s.promote("mmoe-1", reason="better", by="ada", at=LATER)),
    ("questions", lambda s: s.put_question("tasks", "a", answers=("approve",), reasons=["x"],
                                           at=START)),
    ("requests", lambda s: s.ask("retrain", {}, by="ada", at=START)),
    ("requests", lambda s: s.answer(1, state="done", answer="so", at=LATER)),
    ("trainings", lambda s: s.begin_training(sharing="cgc", workers=1, settings={}, at=START)),
    ("metrics", lambda s: s.report_metrics(1, [Metric(1, "duration", "loss", 0.5)],
                                           at=START)),
    ("trainings", lambda s: s.end_training(1, state="failed", at=LATER)),
    ("refused", lambda s: s.quarantine([Refused("a.csv", 1, "duration", "rule", "-1", "raw")],
                                       "a.csv", at=START)),
    ("ingests", lambda s: s.note_ingest(file="a.csv", format="csv", read=1, accepted=0,
                                        duplicates=0, quarantined=1, at=START)),
    ("audits", lambda s: s.audit("promote", "mmoe-1", by="ada", at=START)),
    ("records", a_record),
    ("sources", a_judgement),
    ("sources", lambda s: s.judge_source("a.csv", state="trusted", reason="", by="ada",
                                         at=LATER)),
)  # fmt: skip


def test_a_mark_is_another_after_each_step_and_the_same_without_one(store: Store) -> None:
    for part, step in STEPS:
        before = store.mark(part)
        assert store.mark(part) == before
        step(store)
        assert store.mark(part) != before, (part, step)


def test_every_part_can_be_asked_for_in_one_query(store: Store) -> None:
    assert len(store.mark(*PARTS)) == len([each for part in PARTS for each in PARTS[part]()])
    with pytest.raises(KeyError):
        store.mark("weather")
