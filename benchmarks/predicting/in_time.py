"""Sizey's traces, the first 70 % of each kind by submission to learn from: median relative error.

`beforehand` tells what is known of a task before it starts. `with rchar` declares the bytes that it
will read as known, as published figures do. Rivals and ours are told the same of the task itself;
ours is told its history too, which rivals have no place for, and which is known beforehand.
"""

from collections.abc import Mapping
from pathlib import Path

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
from learner.kinship import subject_of
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
QUICK = 2  # traces, the smallest
DRAWS, LOW, HIGH = 300, 0.05, 0.95  # of subjects, for the limits of a ratio
EXPECTED = {  # memory, duration: the rivals as measured before, on these four traces
    "chipseq": {"median of the kind": (0.025, 0.250), "line of the kind": (0.032, 0.098)},
    "eager": {"median of the kind": (0.022, 0.588), "line of the kind": (0.030, 0.082)},
    "mag": {"median of the kind": (0.098, 0.325), "line of the kind": (0.079, 0.117)},
    "methylseq": {"median of the kind": (0.046, 0.785), "line of the kind": (0.110, 0.080)},
}
ROWS = {"chipseq": 1895, "eager": 1241, "mag": 2851, "methylseq": 723}  # of the traces above
AGREES = 0.0011
Rows = dict[str, dict[str, dict[str, Floats]]]  # errors by way, target, workflow, judged rows
Errors = Mapping[str, Mapping[str, Mapping[str, float]]]  # their medians


def part(data: Path, *, quick: bool) -> Part:
    """All ways on the same rows; raises ValueError where rivals are not as measured."""
    traces = [sizey.read(data, name) for name in sizey.workflows(data)]
    if quick:
        traces = sorted(traces, key=lambda trace: len(trace.records))[:QUICK]
    parts = [
        _part("beforehand", traces, rivals.BEFOREHAND, size=False, network=not quick),
        _part(f"with {INPUT}", traces, rivals.WITH_SIZE, size=True, network=not quick),
    ]
    return Part(
        ours={name: each for part in parts for name, each in part.ours.items()},
        peers={name: each for part in parts for name, each in part.peers.items()},
        ratios={name: each for part in parts for name, each in part.ratios.items()},
        goals=tuple(goal for part in parts for goal in part.goals),
    )


def _part(
    when: str,
    traces: list[Trace],
    others: Mapping[str, rivals.Rival],
    *,
    size: bool,
    network: bool,
) -> Part:
    rows = _all(traces, others, size=size, network=network)
    errors = {
        way: {t: {w: float(np.nanmedian(e)) for w, e in by.items()} for t, by in targets.items()}
        for way, targets in rows.items()
    }
    if size:
        for trace in traces:
            _check(trace, errors)
    told = {
        way: {f"{t} {w}": round(e, 4) for t, by in each.items() for w, e in by.items()}
        for way, each in errors.items()
    }
    best = {target: _best(errors, target) for target in TARGETS}
    ratios = {t: _mean(errors[OURS][t]) / _mean(errors[best[t]][t]) for t in TARGETS}
    limits = {
        f"{t}, over {best[t]}, 90 % of draws of subjects": _limits(traces, rows, best[t], t)
        for t in TARGETS
    }
    return Part(
        ours={f"in time, {when}: {way}": told[way] for way in told if way not in others}
        | {f"in time, {when}: ratio": limits},
        peers={f"in time, {when}: {way}": told[way] for way in others},
        ratios={f"in time, {when}, {target}": ratio for target, ratio in ratios.items()},
        goals=tuple(goal for target in TARGETS for goal in _goals(when, errors, target)),
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
) -> Rows:
    found: Rows = {}
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
                by_target[trace.workflow] = error
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
    ours, best = errors[OURS][target], _best(errors, target)
    least = {w: min(e[target][w] for n, e in errors.items() if n in MEASURED) for w in ours}
    worst = max(ours, key=lambda workflow: ours[workflow] / least[workflow])
    mean, bar = _mean(ours), _mean(errors[best][target])
    return [
        Goal(
            f"in time, {when}, {target}: in every workflow",
            "best of all or within 1 %",
            f"at worst {ours[worst]:.4f} beside {least[worst]:.4f} ({worst})",
            ours[worst] <= LEEWAY * least[worst],
        ),
        Goal(
            f"in time, {when}, {target}: on the mean",
            f"< {bar:.4f} ({best})",
            f"{mean:.4f}",
            mean < bar,
        ),
    ]


def _best(errors: Errors, target: str) -> str:
    """The measured rival with the least mean over the workflows."""
    return min((n for n in MEASURED if n in errors), key=lambda n: _mean(errors[n][target]))


def _mean(by_workflow: Mapping[str, float]) -> float:
    return float(np.mean([*by_workflow.values()]))


def _limits(traces: list[Trace], rows: Rows, rival: str, target: str) -> str:
    """Between which limits the ratio to a rival lies when whole subjects are drawn."""
    rng = np.random.default_rng(0)
    drawn = np.zeros((2, DRAWS))
    for trace in traces:
        subjects = [subject_of(trace.records[i].task) or trace.records[i].task for i in trace.judge]
        names, place = np.unique(subjects, return_inverse=True)
        mine = [np.flatnonzero(place == each) for each in range(len(names))]
        for draw in range(DRAWS):
            chosen = np.concatenate([mine[i] for i in rng.integers(len(names), size=len(names))])
            for way, name in enumerate((OURS, rival)):
                drawn[way, draw] += np.nanmedian(rows[name][target][trace.workflow][chosen])
    low, high = np.quantile(drawn[0] / drawn[1], (LOW, HIGH))
    return f"{low:.2f} to {high:.2f}"
