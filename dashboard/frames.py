"""Store values as pandas frames: pure. Columns are in SI (seconds, bytes, cores, shares of one)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.arrays import FAILED
from dashboard.reading import RunView, kept
from scheduler.execution.events import Observation
from scheduler.forecast import QUANTITIES, Forecast
from scheduler.planning.feasibility import Violation
from scheduler.records import Outcome
from scheduler.store.values import (
    Attempt,
    Ingest,
    KindSummary,
    Metric,
    ModelVersion,
    Promotion,
    Quarantined,
    Request,
    RunSummary,
    Training,
)

STATES = ("waiting", "running", "retrying", "succeeded", "failed", "given up", "interrupted")


def runs(found: Sequence[RunSummary]) -> pd.DataFrame:
    """One row for each run. `over plan` is the share by which it took longer than planned."""
    return _frame(
        {
            "run": each.id, "workflow": each.workflow, "label": each.label, "state": each.state,
            "planner": each.planner, "predictor": each.predictor, "tasks": each.tasks,
            "planned": each.planned_makespan, "realised": each.makespan, "bound": each.lower_bound,
            "over plan": _relative(each.makespan, each.planned_makespan), "started": each.started,
            "message": each.message,
        }
        for each in found
    )  # fmt: skip


@kept
def states(view: RunView) -> dict[str, str]:
    """The state of every task of a run, one of STATES, in the workflow's order."""
    return {task: _state(task, view) for task in view.plan.workflow.index}


@kept
def tasks(view: RunView) -> pd.DataFrame:
    """One row for each task: planned beside actual; seconds since the run began.

    `late` is the actual end minus the planned one; `share` the duration over the makespan.
    """
    state, critical = states(view), set(view.plan.critical)
    total = view.summary.makespan or view.plan.schedule.makespan
    return _frame(
        {
            "task": task.id, "kind": task.kind, "state": state[task.id],
            **_task_times(view, task.id, total),
            "critical": task.id in critical, "priority": task.priority,
        }
        for task in view.plan.workflow.tasks
    )  # fmt: skip


@kept
def attempts(view: RunView) -> pd.DataFrame:
    """One row for each attempt: what was reserved and what was used."""
    kind = {each.id: each.kind for each in view.plan.workflow.tasks}
    return _frame(
        {
            "task": each.task, "kind": kind.get(each.task, ""), "attempt": each.attempt,
            "worker": each.worker, "outcome": outcome(each, running=view.running),
            "start": each.start, "end": each.end, "duration": _seen(each.observation, "duration"),
            "peak memory": _seen(each.observation, "peak_memory"),
            "reserved memory": each.allocation.memory, "cpu": _seen(each.observation, "cpu"),
            "reserved cores": each.allocation.cores,
            "message": each.observation.message if each.observation else "",
        }
        for each in view.attempts
    )  # fmt: skip


def workers(view: RunView, *, until: float) -> pd.DataFrame:
    """One row for each worker: what it was given and how busy it was until then (seconds).

    `busy` is the share of its core-seconds that attempts held; `planned busy` that of the plan.
    """
    plan, spans, names = view.plan, view.spans, list(view.plan.cluster.index)
    ends = np.minimum(spans.end, until)
    held = _by_worker(spans.worker, names, np.maximum(ends - spans.start, 0.0) * spans.cores)
    meant = _by_worker(
        plan.spans.worker, names, (plan.spans.end - plan.spans.start) * plan.spans.cores
    )
    placed, tried = _by_worker(plan.spans.worker, names), _by_worker(spans.worker, names)
    broken = _by_worker(spans.worker[spans.state == FAILED], names)
    total = plan.schedule.makespan
    return _frame(
        {
            "worker": each.name, "cores": each.cores, "memory": float(each.memory),
            "tasks": int(placed[i]), "attempts": int(tried[i]), "failed": int(broken[i]),
            "busy": held[i] / (each.cores * until) if until > 0 else None,
            "planned busy": meant[i] / (each.cores * total) if total > 0 else None,
            "skills": ", ".join(sorted(each.skills)),
        }
        for i, each in enumerate(plan.cluster.workers)
    )  # fmt: skip


def broken_rules(found: Sequence[Violation]) -> pd.DataFrame:
    """One row for each rule that a plan breaks."""
    return _frame(
        {
            "rule": str(each.rule),
            "task": each.task or "",
            "worker": each.worker or "",
            "message": each.message,
        }
        for each in found
    )


def forecast_by_worker(forecast: Forecast, task: str) -> pd.DataFrame:
    """What was believed of one task on each worker; a column for each quantity and level."""
    row = forecast.tasks.index(task)
    levels = [level_name(each) for each in forecast.quantiles]
    frame = pd.DataFrame({"worker": list(forecast.workers)})
    for quantity in QUANTITIES:
        values = getattr(forecast, quantity)[row]
        for column, level in enumerate(levels):
            frame[f"{quantity} {level}"] = values[:, column]
    return frame.assign(failure=forecast.failure[row], affinity=forecast.affinity[row])


def level_name(level: float) -> str:
    """A quantile level as it is spoken of: P50."""
    return f"P{level * 100:g}"


def gates(forecast: Forecast, task: str, worker: str) -> pd.DataFrame:
    """The weight of each expert (columns) in each target (rows) for one task on one worker.

    Empty when the forecast came from somebody without gates.
    """
    row, column = forecast.tasks.index(task), forecast.workers.index(worker)
    weights = {target: gate[row, column] for target, gate in forecast.gates.items()}
    names = list(forecast.experts) or [f"expert {i + 1}" for i in range(_experts(weights))]
    return pd.DataFrame.from_dict(weights, orient="index", columns=names if weights else None)


def trainings(found: Sequence[Training]) -> pd.DataFrame:
    """One row for each training."""
    return _frame(
        {
            "training": each.id, "state": each.state, "sharing": each.sharing,
            "workers": each.workers, "started": each.started,
            "took": _between(each.started, each.ended), "version": each.version or "",
            "message": each.message,
        }
        for each in found
    )  # fmt: skip


def metrics(found: Sequence[Metric]) -> pd.DataFrame:
    """One row for each number: epoch, target, name, value."""
    columns = ["epoch", "target", "name", "value"]
    rows = [(each.epoch, each.target, each.name, each.value) for each in found]
    return pd.DataFrame(rows, columns=columns)


def versions(found: Sequence[ModelVersion], aliases: Mapping[str, str]) -> pd.DataFrame:
    """One row for each saved network, with the aliases that name it."""
    names: dict[str, list[str]] = {}
    for alias, version in aliases.items():
        names.setdefault(version, []).append(alias)
    return _frame(
        {
            "version": each.id, "alias": ", ".join(sorted(names.get(each.id, []))),
            "sharing": each.sharing, "training": each.training, "created": each.created,
            "arms": served_by(each), "sha256": each.sha256,
        }
        for each in found
    )  # fmt: skip


def served_by(version: ModelVersion) -> str:
    """Which arm serves which targets, in words; nothing for versions that do not tell."""
    by_arm: dict[str, list[str]] = {}
    for target, each in version.metrics.get("arms", {}).items():
        by_arm.setdefault(each["arm"], []).append(target)
    return "; ".join(f"{arm}: {', '.join(names)}" for arm, names in by_arm.items())


def comparison(found: Mapping[str, ModelVersion]) -> pd.DataFrame:
    """One row for each number that versions report, one column for each version; by alias.

    Numbers inside mappings are named with a dot: `duration.error`. `difference` is the
    challenger's minus the champion's where both have the number.
    """
    numbers = {alias: dict(_numbers(each.metrics)) for alias, each in found.items()}
    names = sorted({name for each in numbers.values() for name in each})
    frame = pd.DataFrame({"number": names})
    for alias in found:
        frame[alias] = [numbers[alias].get(name, np.nan) for name in names]
    if {"champion", "challenger"} <= set(found):
        frame["difference"] = frame["challenger"] - frame["champion"]
    return frame


def scores(found: Mapping[str, ModelVersion]) -> pd.DataFrame:
    """The error of each target by version (by alias), and of the first one's naive baseline."""
    rows: list[dict[str, Any]] = []
    for alias, version in found.items():
        by_target = _targets(version)
        rows += [
            {"target": target, "version": alias, "value": each["error"]}
            for target, each in by_target.items()
            if isinstance(each.get("error"), (int, float))
        ]
    if found:
        rows += [
            {"target": target, "version": "naive baseline", "value": each["baseline_error"]}
            for target, each in _targets(next(iter(found.values()))).items()
            if isinstance(each.get("baseline_error"), (int, float))
        ]
    return pd.DataFrame(rows, columns=["target", "version", "value"])


def promotions(found: Sequence[Promotion]) -> pd.DataFrame:
    """One row for each change of an alias."""
    return _frame(
        {
            "at": each.at, "alias": each.alias, "version": each.version,
            "replaced": each.replaced or "", "by": each.by, "reason": each.reason,
        }
        for each in found
    )  # fmt: skip


def requests(found: Sequence[Request]) -> pd.DataFrame:
    """One row for each thing that somebody asked for."""
    return _frame(
        {
            "request": each.id, "kind": each.kind, "state": each.state, "by": each.by,
            "at": each.at,
            "asked": ", ".join(f"{name}: {value}" for name, value in each.payload.items()),
            "answer": each.answer,
        }
        for each in found
    )  # fmt: skip


def ingests(found: Sequence[Ingest]) -> pd.DataFrame:
    """One row for each reading of a file."""
    return _frame(
        {
            "at": each.at, "file": each.file, "format": each.format, "read": each.read,
            "accepted": each.accepted, "duplicates": each.duplicates,
            "quarantined": each.quarantined,
        }
        for each in found
    )  # fmt: skip


def quarantine(found: Sequence[Quarantined]) -> pd.DataFrame:
    """One row for each refused line."""
    return _frame(
        {
            "file": each.refused.file, "line": each.refused.line, "field": each.refused.field,
            "rule": each.refused.rule, "value": each.refused.value, "raw": each.refused.raw,
            "at": each.at,
        }
        for each in found
    )  # fmt: skip


def kinds(found: Sequence[KindSummary]) -> pd.DataFrame:
    """One row for each kind on each worker; means over the attempts that succeeded."""
    return _frame(
        {
            "kind": each.kind, "worker": each.worker or "", "attempts": each.attempts,
            "failed": each.attempts - each.succeeded,
            "failure": 1 - each.succeeded / each.attempts if each.attempts else None,
            "duration": each.duration, "peak memory": each.peak_memory, "cpu": each.cpu,
        }
        for each in found
    )  # fmt: skip


def failed(attempt: Attempt) -> bool:
    """Whether an attempt is over without success."""
    seen = attempt.observation
    return seen is not None and seen.outcome is not Outcome.SUCCEEDED


def outcome(attempt: Attempt, *, running: bool) -> str:
    """How an attempt ended, in words; `running` says whether its run still goes on."""
    if attempt.observation is None:
        return "running" if running else "interrupted"
    return str(attempt.observation.outcome).replace("_", " ")


def _state(task: str, view: RunView) -> str:
    if task in view.given_up:
        return "given up"
    tries = view.tries.get(task)
    if not tries:
        return "waiting" if view.running else "interrupted"
    last = outcome(tries[-1], running=view.running)
    if last in ("running", "succeeded", "interrupted"):
        return last
    return "retrying" if view.running else "failed"


def _task_times(view: RunView, task: str, total: float) -> dict[str, object]:
    planned = view.plan.schedule.by_task.get(task)
    tries = view.tries.get(task, ())
    last = tries[-1] if tries else None
    end = last.end if last else None
    duration = None if last is None or end is None else end - last.start
    late = None if end is None or planned is None else end - planned.end
    seen = last.observation if last else None
    return {
        "planned worker": planned.worker if planned else "", "worker": last.worker if last else "",
        "planned start": planned.start if planned else None, "start": last.start if last else None,
        "planned end": planned.end if planned else None, "end": end, "late": late,
        "planned duration": planned.end - planned.start if planned else None, "duration": duration,
        "share": None if duration is None or not total else duration / total,
        "attempts": len(tries), "peak memory": _seen(seen, "peak_memory"),
        "reserved memory": _reserved(last, planned),
    }  # fmt: skip


def _reserved(last: Attempt | None, planned: Any) -> float | None:
    held = last or planned
    return None if held is None else float(held.allocation.memory)


def _by_worker(
    places: NDArray[np.int64], names: Sequence[str], amounts: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """How many there are of each worker of the cluster, or the sum of their amounts."""
    found = np.bincount(places, weights=amounts, minlength=len(names))
    return found[: len(names)].astype(np.float64)


def _numbers(given: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, float]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)


def _targets(version: ModelVersion) -> dict[str, Mapping[str, Any]]:
    told = version.metrics.get("targets", version.metrics)
    return {name: each for name, each in told.items() if isinstance(each, Mapping)}


def _experts(weights: Mapping[str, Any]) -> int:
    return max((len(each) for each in weights.values()), default=0)


def _seen(observation: Observation | None, name: str) -> float | None:
    return None if observation is None else getattr(observation, name)


def _relative(value: float | None, to: float) -> float | None:
    return None if value is None or to <= 0 else value / to - 1


def _between(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - start).total_seconds()


def _frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame.from_records(list(rows))
