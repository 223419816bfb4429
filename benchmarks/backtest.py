"""Past runs replayed: whether what is estimated comes true, and what it says of public logs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.replayed.flowbench import WORKFLOWS, records
from scheduler.backtesting.backtest import Asked, Backtest, backtest
from scheduler.backtesting.carried import repeated
from scheduler.backtesting.known import Known
from scheduler.backtesting.past import PastRun, past_runs
from scheduler.backtesting.replaying import LOG, POLICY, QUEUE, Policy
from scheduler.errors import AllotError
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.predictors.base import Predictor
from scheduler.predictors.history import HistoryPredictor
from scheduler.records import TaskRecord
from scheduler.workloads.logged import MORNING, Ran, runs, true_makespan, truth_for

WORK = (
    "{worlds} seeded worlds of {each} runs each, of which the last {judged} are replayed: what is "
    "estimated from the log for HEFT and FIFO against what their plans really take in the world. "
    "The forecast is history as it was before each run; a queue needs none. Public logs: the "
    "newest {public} runs of each workflow of FlowBench; who may take what, and what tasks take "
    "elsewhere, is estimated."
)
EARLY = 0.01  # share by which a run that is repeated may miss what was logged
RIGHT = {POLICY: 0.05, QUEUE: 0.1}  # share by which the estimate of all runs may miss the truth
NEAR = (
    0.2  # that of one run; a queue's choices hang on durations, so that one run may turn out anew
)


def remembered(known: Known) -> Predictor:
    """Somebody who only remembers what had ended."""
    return HistoryPredictor.learn(known.records())


POLICIES: Mapping[str, Planner] = {POLICY: Heft(), QUEUE: Fifo()}
IN_CHARGE = Policy(learn=remembered, planner=Heft(), sizing=False)


class Backtesting(Benchmark):
    """Truth first: repeated, estimated, and leaked; then what public logs say."""

    title = "past runs replayed under the policy"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """Raises where a planted leak goes unseen."""
        worlds, each, judged = (2, 12, 4) if quick else (8, 20, 10)
        public = 10 if quick else 50
        missed, ratios = [], {name: list[float]() for name in POLICIES}
        totals = {name: np.zeros(2) for name in POLICIES}
        for seed in range(worlds):
            past = list(runs(seed, each))
            missed += _repeated(past)
            for name, pairs in _estimated(past, judged).items():
                ratios[name] += [estimate / true for estimate, true in pairs]
                totals[name] += np.sum(pairs, axis=0)
        _demand_that_leaks_are_seen(list(runs(0, 6)))
        logs = {} if data is None else _of_public(data / "flowbench", public)
        return Found(
            work=WORK.format(worlds=worlds, each=each, judged=judged, public=public),
            ours={"repeated, worst": max(missed), **_errors(ratios, totals), **_shown(logs)},
            goals=_goals(missed, ratios, totals, logs),
        )


def _repeated(past: Sequence[Ran]) -> list[float]:
    """By what share each repeated run misses what was logged."""
    rebuilt = [each for each in past_runs(_logged(past)) if isinstance(each, PastRun)]
    assert len(rebuilt) == len(past), "a run of a whole log could not be rebuilt"
    return [
        abs(repeated(each).makespan / was.makespan - 1)
        for each, was in zip(rebuilt, past, strict=True)
    ]


def _estimated(past: Sequence[Ran], judged: int) -> dict[str, list[tuple[float, float]]]:
    """By policy, what is estimated of each run and what it would really have taken."""
    logged, cluster = _logged(past), past[0].world.cluster
    worlds = {f"run {number}": ran for number, ran in enumerate(past)}
    found = backtest(logged, IN_CHARGE, Asked(limit=judged, cluster=cluster))
    rebuilt = {each.name: each for each in past_runs(logged, cluster=cluster)}
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in POLICIES}
    for run in found.runs:
        then = rebuilt[run.name]
        assert isinstance(then, PastRun)
        forecast = remembered(Known(then.began, logged)).predict(then.workflow, then.cluster)
        believed = Problem(then.workflow, then.cluster, forecast)
        came = sorted(then.lived, key=lambda task: (then.lived[task].ready, task))
        for name, problem in ((POLICY, believed), (QUEUE, truth_for(worlds[run.name], came))):
            true = true_makespan(worlds[run.name], POLICIES[name], problem)
            pairs[name].append((run.carried[name].makespan, true))
    return pairs


def _demand_that_leaks_are_seen(past: Sequence[Ran]) -> None:
    logged = _logged(past)
    leaking = Policy(learn=lambda known: HistoryPredictor.learn(known.observed), planner=Heft())
    try:
        backtest(logged, leaking, Asked(since=MORNING + timedelta(hours=4)))
    except AllotError:
        return
    raise AssertionError("a predictor that sees the future was not caught")


def _of_public(folder: Path, limit: int) -> dict[str, Backtest]:
    return {
        name: backtest(list(records(folder, name)), IN_CHARGE, Asked(limit=limit))
        for name in WORKFLOWS
    }


def _errors(ratios: Mapping[str, Sequence[float]], totals: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{name}: estimate over truth": {
            "in all": float(totals[name][0] / totals[name][1]),
            "runs, 5 %, median, 95 %": np.percentile(ratios[name], (5, 50, 95)).round(4).tolist(),
        }
        for name in ratios
    }


def _shown(logs: Mapping[str, Backtest]) -> dict[str, Any]:
    return {
        f"flowbench {name}": {
            "runs": each.whole.runs,
            "left out": len(each.left_out),
            "less time than logged": each.whole.against[LOG].share,
            "19 times in 20": [each.whole.against[LOG].low, each.whole.against[LOG].high],
            "earlier": each.whole.against[LOG].earlier,
            "later": each.whole.against[LOG].later,
            "less time, no task faster elsewhere": each.whole.cautious.share,
            "moved": each.whole.totals[POLICY].moved,
            "less time than fifo": each.whole.against[QUEUE].share,
            "regret": each.whole.totals[POLICY].regret,
            "regret as logged": each.whole.totals[LOG].regret,
        }
        for name, each in logs.items()
    }


def _goals(
    missed: Sequence[float],
    ratios: Mapping[str, Sequence[float]],
    totals: Mapping[str, Any],
    logs: Mapping[str, Backtest],
) -> tuple[Goal, ...]:
    goals = [
        Goal("a run repeated takes what was logged", f"within {EARLY:.0%}",
             f"{max(missed):.2g}", max(missed) <= EARLY),
        Goal("a planted leak is caught", "always", "caught", met=True),
    ]  # fmt: skip
    for name in ratios:
        whole = abs(float(totals[name][0] / totals[name][1]) - 1)
        right, told = RIGHT[name], f"{name}: estimated time is the true one"
        goals.append(
            Goal(f"{told}, all runs", f"within {right:.0%}", f"{whole:.1%}", whole <= right)
        )
    worst = float(np.abs(np.array(ratios[POLICY]) - 1).max())
    goals.append(
        Goal(
            f"{POLICY}: estimated time is the true one, each run",
            f"within {NEAR:.0%}",
            f"{worst:.1%} at worst",
            worst <= NEAR,
        )
    )
    for name, each in logs.items():
        rebuilt = each.whole.runs / (each.whole.runs + len(each.left_out))
        goals.append(
            Goal(f"flowbench {name}: runs that can be replayed", ">= 95 %", f"{rebuilt:.0%}",
                 rebuilt >= 0.95)
        )  # fmt: skip
    return tuple(goals)


def _logged(past: Sequence[Ran]) -> list[TaskRecord]:
    return [record for ran in past for record in ran.records]
