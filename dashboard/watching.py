"""What a drift is about: attempts over time, and what was forecast of them; no streamlit here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from dashboard.reading import RunView
from dashboard.words import still, when
from scheduler.forecast import QUANTITIES
from scheduler.records import Outcome
from scheduler.store.values import Drift
from scheduler.store.watching import Seen

MEASURED = {"duration": "duration", "memory": "peak_memory", "cpu": "cpu"}
STRETCHES, FEW = 24, 12  # stretches of time at most, attempts in one at least
FAILURE = "failure"


def place_of(drift: Drift) -> str:
    """What a drift is of, in words: a kind, a worker, or both."""
    if drift.kind and drift.worker:
        return f"{drift.kind} on {drift.worker}"
    return drift.kind or (f"every kind on {drift.worker}" if drift.worker else "every kind")


def sentence(drift: Drift, zone: ZoneInfo) -> str:
    """A drift in one sentence, with its moment in a zone."""
    place, odds = place_of(drift), drift.target == FAILURE
    what = f"the odds of failing of {place} are" if odds else f"the {drift.target} of {place} is"
    return still(
        f"Since {when(drift.since, zone)} {what} "
        f"{drift.effect:.2f} times what {drift.version or 'history'} expects, by "
        f"{drift.records:,} records; by luck it looks so once in {_odds(drift)} records."
    )


def _odds(drift: Drift) -> str:
    few = drift.evidence < 9
    return f"{round(10**drift.evidence, -3):,.0f}" if few else f"10^{drift.evidence:.0f}"


def drifts(found: Sequence[Drift]) -> pd.DataFrame:
    """One row for each drift."""
    return pd.DataFrame.from_records(
        [
            {
                "drift": each.id, "target": each.target, "kind": each.kind or "every kind",
                "worker": each.worker or "every worker", "times expected": each.effect,
                "records": each.records, "since": each.since, "found": each.found,
                "state": each.state, "against": each.version,
            }
            for each in found
        ]
    )  # fmt: skip


def cells(found: Iterable[Drift]) -> pd.DataFrame:
    """How far the worst drift of each kind on each worker is from what was expected.

    Columns: kind, worker, value: times expected, where less than expected counts as its inverse.
    """
    worst: dict[tuple[str, str], float] = {}
    for each in found:
        where = each.kind or "every kind", each.worker or "every worker"
        far = max(each.effect, 1 / each.effect) if each.effect > 0 else np.inf
        worst[where] = max(worst.get(where, 0.0), far)
    rows = [(*where, far) for where, far in worst.items()]
    return pd.DataFrame(rows, columns=["kind", "worker", "value"])


def observed(seen: Sequence[Seen]) -> pd.DataFrame:
    """Attempts that succeeded and were measured: at, value."""
    rows = [(each.at, each.value) for each in seen if each.succeeded and each.value is not None]
    return pd.DataFrame(rows, columns=["at", "value"])


def levels(seen: Sequence[Seen], since: datetime) -> dict[str, float]:
    """The median of what was observed before a drift and since, where there is one."""
    sides: dict[str, list[float]] = {"median before": [], "median since": []}
    for each in seen:
        if each.succeeded and each.value is not None:
            sides["median before" if each.at < since else "median since"].append(each.value)
    return {name: median(values) for name, values in sides.items() if values}


def failures(seen: Sequence[Seen]) -> pd.DataFrame:
    """The share of attempts that failed, by stretch of time: at, share, attempts."""
    columns = ["at", "share", "attempts"]
    if not seen:
        return pd.DataFrame(columns=columns)
    rows = []
    for some in np.array_split(np.arange(len(seen)), min(STRETCHES, max(len(seen) // FEW, 1))):
        part = [seen[each] for each in some.tolist()]
        failed = sum(not each.succeeded for each in part)
        rows.append((part[len(part) // 2].at, failed / len(part), len(part)))
    return pd.DataFrame(rows, columns=columns)


def forecasts(views: Iterable[RunView], drift: Drift) -> pd.DataFrame:
    """What was forecast of the attempts of runs that a drift is about, by when these ended.

    Columns: at, low, middle, high (P10, P50, P90, SI).
    """
    columns = ["at", "low", "middle", "high"]
    if drift.target not in QUANTITIES:
        return pd.DataFrame(columns=columns)
    rows = [row for view in views for row in _of_run(view, drift)]
    return pd.DataFrame(rows, columns=columns)


def _of_run(view: RunView, drift: Drift) -> Iterable[tuple[datetime, float, float, float]]:
    forecast = view.plan.forecast
    beliefs, levels = getattr(forecast, drift.target), forecast.quantiles
    rows = {task: i for i, task in enumerate(forecast.tasks)}
    columns = {worker: i for i, worker in enumerate(forecast.workers)}
    picks = (0, len(levels) // 2, len(levels) - 1)
    for each in view.attempts:
        row, column = rows.get(each.task), columns.get(each.worker)
        if row is None or column is None or each.observation is None or each.end is None:
            continue
        kind = view.plan.workflow.task(each.task).kind
        if drift.kind not in ("", kind) or drift.worker not in ("", each.worker):
            continue
        if each.observation.outcome is not Outcome.SUCCEEDED:
            continue
        at = each.started + timedelta(seconds=each.end - each.start)
        believed = beliefs[row if forecast.rows is None else forecast.rows[row], column]
        low, middle, high = (float(believed[pick]) for pick in picks)
        yield at, low, middle, high
