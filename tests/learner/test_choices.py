from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import KINDS, MORNING, attempt, best_worker, compared_logs, learn, seconds

from learner.choices import Choices, choices_of
from learner.examples import Examples
from learner.offsets import PENALTY, Offsets
from learner.predictor import NetworkPredictor
from scheduler.cluster import Cluster, Worker
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Task, Workflow


def choices(records: list[TaskRecord]) -> Choices:
    examples = Examples.of(records)
    offsets = Offsets.fit(examples)
    return choices_of(examples, examples.split.train, offsets, rng=np.random.default_rng(0))


def cost_of(found: Choices, worker: str, row: int = 0) -> float:
    return float(found.cost[row, found.names[row].index(worker)])


def with_first(*first: TaskRecord) -> list[TaskRecord]:
    """Logs that begin with these attempts, at one piece of work."""
    early = [
        replace(r, started=None, ended=MORNING, task=f"first-{i}") for i, r in enumerate(first)
    ]
    return [*early, *compared_logs(40)]


def first(worker: str, took: float | None, outcome: Outcome = Outcome.SUCCEEDED) -> TaskRecord:
    made = attempt(0, "sort", worker, 3.3, rng=np.random.default_rng(0))
    return replace(made, duration=took, outcome=outcome)


def test_the_cost_where_the_work_was_observed_is_what_it_took() -> None:
    found = choices(with_first(first("alpha", 7.0), first("beta", 11.0)))
    assert cost_of(found, "alpha") == 7.0
    assert cost_of(found, "beta") == 11.0


def test_failures_at_the_work_make_its_worker_dearer() -> None:
    found = choices(with_first(first("alpha", 7.0), first("alpha", 1.0, Outcome.FAILED)))
    assert cost_of(found, "alpha") == pytest.approx(7.0 * (0.5 + 0.5 * PENALTY))


def test_where_the_work_only_failed_the_duration_believed_counts_as_a_failure_does() -> None:
    found = choices(with_first(first("alpha", 7.0), first("beta", 1.0, Outcome.OUT_OF_MEMORY)))
    usual = 7.0 * seconds("sort", "beta", 3.3) / seconds("sort", "alpha", 3.3)
    assert cost_of(found, "beta") == pytest.approx(usual * PENALTY, rel=0.4)


def test_where_the_work_was_not_tried_its_cost_is_imputed_with_its_own_surprise() -> None:
    usual, slow = (choices(with_first(first("alpha", took))) for took in (7.0, 70.0))
    assert not usual.measured[0, usual.names[0].index("beta")]
    assert cost_of(slow, "beta") > 5 * cost_of(usual, "beta")


def test_a_worker_that_never_did_the_kind_stays_unknown() -> None:
    records = [r for r in compared_logs(60) if (r.kind, r.worker) != ("align", "weak")]
    found = choices(records)
    for row, kind in enumerate(found.inputs.kind):
        names = found.names[row]
        assert ("weak" in names) == (kind != 1 + sorted(KINDS).index("align"))


def test_who_was_chosen_does_not_matter_only_what_turned_out() -> None:
    """The operators of this log always chose the worst worker; a few audits tried the others."""
    records = []
    for i, record in enumerate(compared_logs(300)):
        size = record.sizes["input_bytes"] / 1e6
        costs = {w: seconds(record.kind, w, size) for w in ("alpha", "beta", "weak")}
        worst = max(costs, key=costs.__getitem__)
        if record.worker == worst or i % 12 < 3:
            records.append(record)
    share = np.mean([r.worker == "alpha" for r in records if r.kind == "sort"])
    assert share < 0.3  # alpha is best at sorting and was rarely asked
    predictor = NetworkPredictor(learn(records), "v")
    tasks = [Task(id=kind, kind=kind, sizes={"input_bytes": 2e6}, cores=2.0) for kind in KINDS]
    workers = [Worker(name=name, cores=4, memory=2**34) for name in ("alpha", "beta", "weak")]
    affinity = predictor.predict(Workflow("nightly", tasks), Cluster("c", workers)).affinity
    chosen = [workers[j].name for j in affinity.argmax(1)]
    assert chosen == [best_worker(kind, 2.0) for kind in KINDS]


def test_a_choice_that_turned_out_dearer_than_believed_weighs_as_much_more() -> None:
    """What is believed is the same for both, so that only what turned out differs."""
    both = [
        Examples.of(
            with_first(first("alpha", took), first("beta", 1.5 * took), first("weak", took))
        )
        for took in (3.0, 6.0)
    ]
    offsets = Offsets.fit(both[0])
    usual, dear = (
        choices_of(each, each.split.train, offsets, rng=np.random.default_rng(0)) for each in both
    )
    assert dear.measured[0].all()
    assert dear.weight[0] == pytest.approx(2 * usual.weight[0])
