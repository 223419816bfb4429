"""The backtest says of the past what is true of it, and of other policies what would be."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from scheduler import cli
from scheduler.backtesting.backtest import Asked, Backtest, backtest
from scheduler.backtesting.carried import AsLogged, certain, repeated
from scheduler.backtesting.known import Known
from scheduler.backtesting.paces import Paces
from scheduler.backtesting.past import LeftOut, PastRun, past_runs, sizes_of
from scheduler.backtesting.replaying import LOG, POLICY, QUEUE, Policy
from scheduler.cluster import Cluster, Worker
from scheduler.errors import AllotError, NotFound
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.predictors.base import Predictor
from scheduler.predictors.history import HistoryPredictor
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.workloads.logged import MORNING, Ran, runs, true_makespan, truth_for


def attempt(task: str, start: float, seconds: float, worker: str = "w1", **facts) -> TaskRecord:
    """One attempt by hand, in seconds since the morning."""
    began = MORNING + timedelta(seconds=start)
    fields = {
        "run": "r", "kind": "work", "outcome": Outcome.SUCCEEDED, "workflow": "w",
        "duration": seconds, "requested_cores": 1.0,
    } | facts  # fmt: skip
    return TaskRecord(
        task=task, worker=worker, started=began, ended=began + timedelta(seconds=seconds), **fields
    )


def only(*records: TaskRecord, **options) -> PastRun:
    (found,) = past_runs(records, **options)
    assert isinstance(found, PastRun)
    return found


def from_history(known: Known) -> Predictor:
    return HistoryPredictor.learn(known.records())


HISTORY = Policy(learn=from_history, planner=Heft())


@pytest.fixture(scope="module")
def past() -> list[Ran]:
    return list(runs(4, 14))


@pytest.fixture(scope="module")
def logged(past: list[Ran]) -> list[TaskRecord]:
    return [record for run in past for record in run.records]


@pytest.fixture(scope="module")
def asked(past: list[Ran]) -> Asked:
    return Asked(since=MORNING + timedelta(hours=8), cluster=past[0].world.cluster)


@pytest.fixture(scope="module")
def found(logged: list[TaskRecord], asked: Asked) -> Backtest:
    return backtest(logged, HISTORY, asked)


def test_the_policy_that_repeats_what_happened_takes_what_it_took(past, logged) -> None:
    rebuilt = [each for each in past_runs(logged) if isinstance(each, PastRun)]
    assert len(rebuilt) == len(past)
    for run, was in zip(rebuilt, past, strict=True):
        assert run.makespan == pytest.approx(was.makespan)
        assert repeated(run).makespan == pytest.approx(was.makespan)
        assert repeated(run).moved == 0


def test_waits_that_nothing_explains_stay_with_the_task() -> None:
    """a runs from 5 s though it could from 0; b waits for a and then 2 s more; c for its worker."""
    run = only(
        attempt("a", 5.0, 3.0, submitted=MORNING),
        attempt("b", 10.0, 4.0, predecessors=("a",)),
        attempt("c", 14.0, 1.0, predecessors=("a",)),
    )
    assert {task: each.before for task, each in run.lived.items()} == {"a": 5.0, "b": 2.0, "c": 0.0}
    assert repeated(run).makespan == run.makespan == 15.0


def test_a_wait_is_not_counted_twice_where_two_tasks_wait_for_one_place() -> None:
    """On two cores d runs until 5 s; of a and b only one could have begun before."""
    held = {"requested_cores": 1.0, "submitted": MORNING}
    run = only(
        attempt("d", 0.0, 5.0, **held),
        attempt("a", 5.0, 9.0, **held),
        attempt("b", 6.0, 9.0, **held),
    )
    assert run.lived["a"].start == 0.0
    assert run.lived["b"].start == 5.0
    assert repeated(run).makespan == run.makespan


def test_a_worker_is_as_large_as_what_ran_there_at_one_time() -> None:
    worker = sizes_of(
        [attempt("a", 0, 4, requested_cores=2.0, requested_memory=3e9),
         attempt("b", 3, 4, requested_memory=1e9), attempt("c", 7, 1, requested_cores=2.5)]
    )["w1"]  # fmt: skip
    assert worker.cores == pytest.approx(3.0)
    assert worker.memory == 4_000_000_000


def test_attempts_that_failed_fail_again_and_are_not_forgotten() -> None:
    run = only(
        attempt("a", 0.0, 3.0, outcome=Outcome.FAILED), attempt("a", 4.0, 5.0, attempt=2)
    )  # fmt: skip
    assert run.lived["a"].failures == (3.0,)
    assert repeated(run).makespan == run.makespan == 9.0


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([attempt("a", 0, 1, outcome=Outcome.FAILED)], "ended failed"),
        ([replace(attempt("a", 0, 1), worker=None)], "where task 'a' ran"),
        ([replace(attempt("a", 0, 1), started=None)], "when task 'a' ran"),
        ([attempt("a", 0, 1, predecessors=("b",))], "no record"),
    ],
)
def test_a_run_that_cannot_be_replayed_is_left_out_and_said_why(records, why: str) -> None:
    (found,) = past_runs(records)
    assert isinstance(found, LeftOut)
    assert why in found.why


def test_a_log_that_a_cluster_contradicts_is_left_out() -> None:
    small = Cluster("c", [Worker(name="w1", cores=1.0, memory=10**9)])
    both = [attempt("a", 0, 5, submitted=MORNING), attempt("b", 0, 5, submitted=MORNING)]
    with pytest.raises(NotFound, match="repeated as it was it takes 10 s, logged were 5 s"):
        backtest(both, HISTORY, Asked(cluster=small))


def test_what_is_estimated_of_each_policy_is_what_it_would_really_take(past, logged) -> None:
    """In all runs within 5 %, of each run within 20 %; of a queue in all within 15 %.

    A queue takes the worker that is free first: a small error may turn one of its runs over.
    """
    worlds, cluster = {f"run {i}": ran for i, ran in enumerate(past)}, past[0].world.cluster
    policy = replace(HISTORY, sizing=False)
    found = backtest(logged, policy, Asked(limit=8, cluster=cluster))
    for name, planner in ((POLICY, Heft()), (QUEUE, Fifo())):
        estimated, true = [], []
        for run in found.runs:
            then = _rebuilt(run.name, logged, cluster)
            problem = _in_turn(then, worlds[run.name]) if name == QUEUE else _believed(then, logged)
            estimated.append(run.carried[name].makespan)
            true.append(true_makespan(worlds[run.name], planner, problem))
        worst = np.abs(np.array(estimated) / true - 1).max()
        assert worst < (0.2 if name == POLICY else 1.0)
        assert sum(estimated) == pytest.approx(sum(true), rel=0.05 if name == POLICY else 0.15)


def _rebuilt(name: str, logged: list[TaskRecord], cluster: Cluster) -> PastRun:
    rebuilt = (each for each in past_runs(logged, cluster=cluster) if isinstance(each, PastRun))
    return next(each for each in rebuilt if each.name == name)


def _believed(run: PastRun, logged: list[TaskRecord]) -> Problem:
    """What was believed then of durations."""
    forecast = from_history(Known(run.began, logged)).predict(run.workflow, run.cluster)
    return Problem(run.workflow, run.cluster, forecast)


def _in_turn(run: PastRun, ran: Ran) -> Problem:
    """What a queue meets: tasks as they were ready, and what they really take."""
    return truth_for(ran, sorted(run.lived, key=lambda task: (run.lived[task].ready, task)))


def test_a_policy_beats_going_round_in_turn_and_nobody_beats_the_bound(found: Backtest) -> None:
    assert found.whole.against[LOG].earlier == found.whole.runs == 6
    assert found.whole.against[LOG].low > 0.2
    for run in found.runs:
        least = min(each.makespan for each in run.carried.values())
        assert run.bound * (1 - 1e-9) <= run.best <= least * (1 + 1e-9)


def test_only_what_had_ended_is_known(found: Backtest, logged: list[TaskRecord]) -> None:
    for run in found.runs:
        began = MORNING + timedelta(hours=int(run.name.split()[1]))
        assert run.known == sum(each.ended < began for each in logged)


def test_a_predictor_that_sees_the_future_is_caught(logged: list[TaskRecord]) -> None:
    leaking = Policy(learn=lambda known: HistoryPredictor.learn(known.observed), planner=Heft())
    with pytest.raises(AllotError, match="sees the future"):
        backtest(logged, leaking, Asked(limit=3))


def test_so_is_one_that_sees_what_ended_during_the_run(monkeypatch, logged) -> None:
    def one_hour_on(self: Known, **_):
        later = replace(self, at=self.at + timedelta(hours=1))
        return Known.__dict__["_plain"](later)

    monkeypatch.setattr(Known, "_plain", Known.records, raising=False)
    monkeypatch.setattr(Known, "records", one_hour_on)
    with pytest.raises(AllotError, match="sees the future"):
        backtest(logged, HISTORY, Asked(limit=3))


def test_a_moved_task_is_no_faster_to_the_cautious(past, logged) -> None:
    run = next(each for each in past_runs(logged) if isinstance(each, PastRun))
    paces = Paces.learn(logged)
    bold, cautious = AsLogged(run, paces), AsLogged(run, paces, faster=False)
    fast, slow = (certain(run, each).duration for each in (bold, cautious))
    assert (slow >= fast).all()
    assert (slow > fast).any()
    for row, task in enumerate(run.workflow.tasks):
        column = run.cluster.index[run.lived[task.id].worker]
        assert slow[row, column, 0] == fast[row, column, 0]


def test_paces_are_those_of_the_world(past, logged) -> None:
    world, paces = past[0].world, Paces.learn(logged)
    seen = {(each.kind, each.worker) for each in logged}
    tasks = [t for t in world.workflow.tasks if {(t.kind, "w0"), (t.kind, "w1")} <= seen]
    assert len(tasks) > 10
    for task in tasks:
        true = world.true_duration(task.id, "w1") / world.true_duration(task.id, "w0")
        assert paces.ratio(task.kind, "w1", "w0") == pytest.approx(true, rel=0.4)
        assert paces.ratio(task.kind, "w1", "w1") == 1.0


def test_the_words_say_what_the_figures_say(found: Backtest) -> None:
    words, whole = " ".join(found.words), found.whole
    assert found.words[0].startswith("On 6 of 6 past runs it would have ended earlier")
    assert f"{whole.rests_on_forecasts:.0%} of that gain rests on forecast durations" in words
    assert "stayed the same: the policy saw nothing that came later" in words
    assert f"{whole.totals[POLICY].moved:.0%} of the tasks would have run on another" in words


def test_too_few_runs_are_said_to_be_too_few(logged: list[TaskRecord]) -> None:
    words = backtest(logged, HISTORY, Asked(limit=2)).words[0]
    assert "in too few runs to tell how sure that is" in words


def test_the_same_question_has_the_same_answer(logged: list[TaskRecord], found, asked) -> None:
    again = backtest(logged, HISTORY, asked)
    assert again.document == found.document


def test_runs_are_chosen_by_time_workflow_and_number(logged: list[TaskRecord]) -> None:
    def names(**asked) -> list[str]:
        return [each.name for each in backtest(logged, HISTORY, Asked(**asked)).runs]

    assert names(until=MORNING + timedelta(hours=2)) == ["run 0", "run 1"]
    assert names(limit=2) == ["run 12", "run 13"]
    with pytest.raises(NotFound, match="no past run"):
        names(workflow="weekly")


def test_sizing_decides_on_memory_where_it_is_asked_to() -> None:
    asked = attempt("a", 0, 5, requested_memory=8e9, peak_memory=1e9)
    assert only(asked).workflow.task("a").memory == 8_000_000_000
    assert only(asked, sized=True).workflow.task("a").memory is None


def test_the_command_answers_in_figures_and_words(
    tmp_path: Path, logged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALLOT_STORE", raising=False)
    with Store.open("sqlite:///allot.db") as store:
        store.add_records([(each.key(), each) for each in logged], "by hand")
    words = ["allot", "backtest", "--limit", "4", "--predictor", "history", "--json"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    said = json.loads(capsys.readouterr().out)
    assert said["total"]["runs"] == 4
    assert said["words"][0].startswith("On 4 of 4 past runs")
    assert [each["source"] for each in said["runs"]] == ["history"] * 4


def test_a_task_goes_only_where_its_kind_was_ever_seen_to_run() -> None:
    run = only(
        attempt("a", 0, 5), attempt("b", 0, 5, worker="w2", kind="other"),
        attempt("c", 0, 5, worker="w2"),
    )  # fmt: skip
    first, second = (run.cluster.worker(each).skills for each in ("w1", "w2"))
    assert run.workflow.task("b").skills <= second
    assert not run.workflow.task("b").skills <= first
    assert run.workflow.task("a").skills <= first & second
