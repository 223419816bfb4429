"""Trainings and what new records say, as frames; no streamlit here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from dashboard.charts import expert, expert_order, target_order
from dashboard.words import NOTHING
from scheduler.store.trainings import differing
from scheduler.store.values import ModelVersion, Training
from scheduler.store.watching import Arrived

MOST_COMPARED = 8
SCORES = ("error", "baseline_error", "coverage")


def through(training: Training) -> int:
    """The number of the newest record that a training had; 0 where it is not known."""
    return int(training.settings.get("through", 0) or 0)


def progress(
    training: Training, metrics: pd.DataFrame, now: datetime
) -> tuple[float, float | None]:
    """The share of its epochs that a training has done, and about how many seconds are left.

    None for the seconds before the first epoch is over; most trainings stop before the last one.
    """
    planned = int(training.settings.get("epochs", 0) or 0)
    done = int(metrics["epoch"].nunique()) if len(metrics) else 0
    if not planned or not done:
        return 0.0, None
    took = max((now - training.started).total_seconds(), 0.0)
    return min(done / planned, 1.0), took / done * max(planned - done, 0)


def gate_mix(metrics: pd.DataFrame, family: str) -> pd.DataFrame:
    """The mean weight of each expert (columns) in each target (rows), of the last epoch told."""
    last = _family(metrics, family)
    last = last[last["epoch"] == last["epoch"].max()]
    table = last.pivot_table(index="target", columns="name", values="value", sort=False)
    rows = sorted(table.index, key=target_order)
    names = sorted(table.columns, key=expert_order)
    said = [expert(each.removeprefix(f"{family}.")) for each in names]
    mix: pd.DataFrame = table.loc[rows, names]
    mix.columns = pd.Index(said)
    return mix


def last_epoch(metrics: pd.DataFrame, family: str) -> int:
    """The last epoch in which any number of the family was told; there must be one."""
    return int(_family(metrics, family)["epoch"].max())


def scores(version: ModelVersion) -> pd.DataFrame:
    """The scores of a version by target: error, that of the naive baseline, coverage, gain."""
    rows = []
    for target, each in sorted(_targets(version).items(), key=lambda pair: target_order(pair[0])):
        error, baseline = each.get("error"), each.get("baseline_error")
        found = {name.replace("_", " "): each.get(name) for name in SCORES}
        found["less than baseline"] = (
            1 - error / baseline if error is not None and baseline else None
        )
        rows.append({"target": target, **found})
    frame = pd.DataFrame(rows)
    return frame.dropna(axis=1, how="all") if len(frame) else frame


def cells(version: ModelVersion) -> pd.DataFrame:
    """The error of each kind on each worker: kind, worker, attempts, target, value."""
    rows = [
        {"kind": each["kind"], "worker": each["worker"] or NOTHING, "attempts": each["attempts"],
         "target": target, "value": value}
        for each in version.metrics.get("cells", ())
        for target, value in each["errors"].items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["kind", "worker", "attempts", "target", "value"])


def curves(numbers: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """The validation loss of several trainings, epoch by epoch: training, epoch, value."""
    found = []
    for training, metrics in numbers.items():
        if len(metrics):
            mine = metrics[(metrics["target"] == "all") & (metrics["name"] == "validation_loss")]
            found.append(mine[["epoch", "value"]].assign(training=training))
    columns = ["training", "epoch", "value"]
    return pd.concat(found)[columns] if found else pd.DataFrame(columns=columns)


def compared(
    chosen: Sequence[Training],
    numbers: Mapping[int, pd.DataFrame],
    versions: Mapping[str, ModelVersion],
) -> pd.DataFrame:
    """Trainings side by side: how they ended, their best epochs, errors, settings that differ."""
    rows: dict[str, list[str]] = {}

    def tell(name: str, values: Sequence[Any]) -> None:
        rows[name] = [_text(each) for each in values]

    tell("state", [each.state for each in chosen])
    tell("sharing", [each.sharing for each in chosen])
    tell("took, s", [(e.ended - e.started).total_seconds() if e.ended else None for e in chosen])
    best = [_best(numbers[each.id]) for each in chosen]
    tell("epochs", [int(numbers[e.id]["epoch"].nunique()) if len(numbers[e.id]) else 0
                    for e in chosen])  # fmt: skip
    tell("least validation loss", [each[1] for each in best])
    tell("in epoch", [each[0] for each in best])
    known = [versions.get(each.version or "") for each in chosen]
    found = [_targets(each) if each else {} for each in known]
    for target in sorted({name for each in found for name in each}, key=target_order):
        tell(f"error: {target}", [each.get(target, {}).get("error") for each in found])
    for name, values in differing(chosen).items():
        tell(f"setting: {name}", values)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[f"#{e.id}" for e in chosen])
    return frame.rename_axis("what").reset_index()


def changed(mine: ModelVersion, before: ModelVersion) -> pd.DataFrame:
    """The error of each target now and before, and how much less it is."""
    now, then = _targets(mine), _targets(before)
    rows = []
    for target in sorted(now.keys() & then.keys(), key=target_order):
        new, old = now[target].get("error"), then[target].get("error")
        if new is not None and old:
            rows.append({"target": target, "before": old, "now": new, "difference": new / old - 1})
    return pd.DataFrame(rows, columns=["target", "before", "now", "difference"])


def arrived(found: Sequence[Arrived]) -> pd.DataFrame:
    """One row for each kind on each worker of which there are new records."""
    return pd.DataFrame.from_records(
        [
            {
                "kind": each.kind, "worker": each.worker or "", "new": each.new,
                "failed": each.failed, "known before": each.known, "duration": each.duration,
                "duration before": each.duration_before,
                "difference": each.duration / each.duration_before - 1
                if each.duration and each.duration_before else None,
            }
            for each in found
        ]
    )  # fmt: skip


def _family(metrics: pd.DataFrame, family: str) -> pd.DataFrame:
    return metrics[metrics["name"].str.startswith(f"{family}.")]


def _targets(version: ModelVersion) -> dict[str, Mapping[str, Any]]:
    told = version.metrics.get("targets", version.metrics)
    return {name: each for name, each in told.items() if isinstance(each, Mapping)
            and "error" in each}  # fmt: skip


def _best(metrics: pd.DataFrame) -> tuple[int | None, float | None]:
    """The epoch with the least validation loss, and that loss."""
    if not len(metrics):
        return None, None
    mine = metrics[(metrics["target"] == "all") & (metrics["name"] == "validation_loss")]
    if not len(mine):
        return None, None
    place = int(mine["value"].to_numpy().argmin())
    return int(mine["epoch"].iloc[place]), float(mine["value"].iloc[place])


def _text(value: object) -> str:
    if value is None:
        return NOTHING
    return f"{value:.4g}" if isinstance(value, float) else str(value)
