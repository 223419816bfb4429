"""Sizey's traces, the first 70 % of each kind by submission to learn from: median relative error.

`beforehand` tells what is known of a task before it starts. `with rchar` declares the bytes that it
will read as known, as published figures do. Rivals and ours are told the same of the task itself;
ours is told its history too, which rivals have no place for, and which is known beforehand.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.public import sizey
from benchmarks.public.sizey import INPUT, Trace
from benchmarks.rivals import in_time_simple as rivals
from learner.arms.base import Arm
from learner.arms.mixture import MixtureArm
from learner.arms.network import NetworkArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.learned import Learned
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings

Floats = NDArray[np.float64]
TARGETS = {"memory": "peak_memory", "duration": "duration"}
OURS, ALONE, NETWORK = "mixture", "offset alone", "network on offset"
MEASURED = ("median of the kind", "LightGBM median", "line of the kind", "line + LightGBM")
LEEWAY = 1.01  # "best or within one percent"
QUICK = ("eager", "methylseq")  # the smallest
EXPECTED = {  # memory, duration: the rivals as measured before, on these four traces
    "chipseq": {"median of the kind": (0.025, 0.250), "line of the kind": (0.032, 0.098)},
    "eager": {"median of the kind": (0.022, 0.588), "line of the kind": (0.030, 0.082)},
    "mag": {"median of the kind": (0.098, 0.325), "line of the kind": (0.079, 0.117)},
    "methylseq": {"median of the kind": (0.046, 0.785), "line of the kind": (0.110, 0.080)},
}
ROWS = {"chipseq": 1895, "eager": 1241, "mag": 2851, "methylseq": 723}  # of the traces above
AGREES = 0.0011
Errors = dict[str, dict[str, dict[str, float]]]  # by way, target, workflow


def part(data: Path, *, quick: bool) -> Part:
    """All ways on the same rows; raises ValueError where rivals are not as measured."""
    names = [name for name in sizey.workflows(data) if not quick or name in QUICK]
    traces = [sizey.read(data, name) for name in names]
    found = {
        "beforehand": _all(traces, rivals.BEFOREHAND, size=False, network=not quick),
        f"with {INPUT}": _all(traces, rivals.WITH_SIZE, size=True, network=not quick),
    }
    for trace in traces:
        _check(trace, found[f"with {INPUT}"])
    own = (OURS, ALONE, NETWORK)
    told = {f"in time, {told}: {way}": e for told, ways in found.items() for way, e in ways.items()}
    mine = {name for name in told if name.rpartition(": ")[2] in own}
    return Part(
        ours={name: _told(told[name]) for name in told if name in mine},
        peers={name: _told(told[name]) for name in told if name not in mine},
        ratios={
            f"in time, {when}, {t}": _ratio(e, t) for when, e in found.items() for t in TARGETS
        },
        goals=tuple(
            g for when, errors in found.items() for t in TARGETS for g in _goals(when, errors, t)
        ),
    )


def medians(trace: Trace, *, size: bool, network: bool) -> dict[str, dict[str, Floats]]:
    """What the product says of each row: by way and target, logarithms.

    It learns from the rows to learn from, and from what came before of kinds that are not judged.
    """
    settings = TrainingSettings()
    known = (INPUT,) if size else ()
    trace = trace.declared() if size else trace
    split = Split(trace.taught(), trace.split().validation[:0], trace.judge)
    examples = Examples.of(trace.records, split=split, known_beforehand=known)
    offsets = Offsets.fit(examples)
    arms: dict[str, Arm] = {
        OURS: MixtureArm.fit(examples, offsets, seed=settings.seed),
        ALONE: OffsetArm.fit(examples, offsets),
    }
    told = {name: _said(arm, examples, offsets) for name, arm in arms.items()}
    if network:
        told[NETWORK] = _network(trace, settings, known)
    return told


def _network(trace: Trace, settings: TrainingSettings, known: tuple[str, ...]) -> dict[str, Floats]:
    """The network alone; the later rows of each kind to learn from stop it."""
    examples = Examples.of(trace.records, split=trace.split(), known_beforehand=known)
    offsets = Offsets.fit(examples)
    return _said(NetworkArm.fit(examples, offsets, settings), examples, offsets)


def _said(arm: Arm, examples: Examples, offsets: Offsets) -> dict[str, Floats]:
    settings = TrainingSettings()
    plan = Plan.over(examples.columns, settings.sharing, settings.shape)
    learned = Learned(
        Network(plan),
        examples.columns,
        offsets,
        Calibration.none(),
        dict.fromkeys(plan.targets, arm),
    )
    told = learned.quantities(examples.inputs)
    return {name: told[name][:, MIDDLE] for name in TARGETS}


def _all(
    traces: list[Trace], others: Mapping[str, rivals.Rival], *, size: bool, network: bool
) -> Errors:
    found: Errors = {}
    for trace in traces:
        said = medians(trace, size=size, network=network)
        for target, field in TARGETS.items():
            truth = np.array([getattr(r, field) or np.nan for r in trace.records])
            table = rivals.table_of(trace, truth, size=size)
            ways = {name: each[target] for name, each in said.items()}
            ways |= {name: rival(table) for name, rival in others.items()}
            for name, logs in ways.items():
                error = np.abs(np.exp(logs) / truth - 1)[trace.judge]
                by_target = found.setdefault(name, {}).setdefault(target, {})
                by_target[trace.workflow] = float(np.nanmedian(error))
    return found


def _check(trace: Trace, errors: Errors) -> None:
    """On the traces that were measured before, rivals must come out again."""
    if len(trace.learn) + len(trace.judge) != ROWS.get(trace.workflow):
        return
    for name, expected in EXPECTED[trace.workflow].items():
        for target, figure in zip(TARGETS, expected, strict=True):
            found = errors[name][target][trace.workflow]
            if abs(found - figure) > AGREES:
                raise ValueError(
                    f"{name} must be off by {figure} in the {target} of {trace.workflow}, as "
                    f"measured before, found {found:.4f}; the split or the filter has changed."
                )


def _goals(when: str, errors: Errors, target: str) -> list[Goal]:
    ours = errors[OURS][target]
    least = {w: min(e[target][w] for n, e in errors.items() if n in MEASURED) for w in ours}
    worst = max(ours, key=lambda workflow: ours[workflow] / least[workflow])
    within = all(ours[w] <= LEEWAY * least[w] for w in ours)
    means = {n: float(np.mean([*e[target].values()])) for n, e in errors.items() if n in MEASURED}
    best = min(means, key=lambda name: means[name])
    mean = float(np.mean([*ours.values()]))
    return [
        Goal(
            f"in time, {when}, {target}: in every workflow",
            "best of all or within 1 %",
            f"at worst {ours[worst]:.4f} beside {least[worst]:.4f} ({worst})",
            within,
        ),
        Goal(
            f"in time, {when}, {target}: on the mean",
            f"< {means[best]:.4f} ({best})",
            f"{mean:.4f}",
            mean < means[best],
        ),
    ]


def _ratio(errors: Errors, target: str) -> float:
    """Our mean error over the best measured rival's."""
    means = {n: float(np.mean([*e[target].values()])) for n, e in errors.items()}
    return means[OURS] / min(means[name] for name in MEASURED if name in means)


def _told(errors: dict[str, dict[str, float]]) -> dict[str, Any]:
    return {
        f"{target} {workflow}": round(error, 4)
        for target, by_workflow in errors.items()
        for workflow, error in by_workflow.items()
    }
