"""Kinds never seen: what their names are worth, beside knowing nothing and beside five rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.bootstrap import interval
from benchmarks.public import lotaru, sizey
from learner.arms.offset import OffsetArm
from learner.examples import Examples, Split
from learner.features import Inputs
from learner.neighbours import Neighbours
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import MIDDLE
from learner.text import Embedding, Grams, Transformer
from scheduler.errors import NotFound
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Strings = NDArray[np.str_]
FOLDS, DRAWS = 5, 3
LEAST_ROWS = 10  # of a kind
SHOWN = 5  # rows of a new kind that "a little later" has seen
TARGETS = ("duration", "memory", "cpu")
UNKNOWN, GRAMS, TRANSFORMER = "unknown kind", "pieces of names", "transformer"
LATER = f"after {SHOWN} rows of the kind"


@dataclass(frozen=True, eq=False)
class Judged:
    """What each way said of the rows of kinds left out.

    Shape: off, inside: by way, n x targets; absolute logarithmic errors, and 1 where the truth lay
    between the outer quantiles. kinds: n, the draw and the kind.
    """

    off: Mapping[str, Floats]
    inside: Mapping[str, Floats]
    kinds: Strings


def part(data: Path, *, quick: bool) -> Part:
    """Lotaru and Sizey: kinds left out at random, and whole workflows left out.

    `quick` leaves kinds of Lotaru out twice.
    """
    ways = _ways()
    parts = []
    for log, read in (("Lotaru", _lotaru), ("Sizey", _sizey))[: 1 if quick else 2]:
        records = read(data)
        kinds = np.array([record.kind for record in records])
        flows = np.array([record.workflow or "" for record in records])
        drawn = list(_folds(kinds, draws=DRAWS))[: 2 if quick else None]
        whole = [np.unique(kinds[flows == flow]) for flow in np.unique(flows)]
        for name, folds in ((f"{log}, kinds", drawn), (f"{log}, workflows", whole))[: 2 - quick]:
            judged = [_judge(records, kinds, fold, ways, seed=i) for i, fold in enumerate(folds)]
            parts.append(_told(f"new kinds: {name} left out", _together(judged)))
    return Part(
        ours={name: each for part in parts for name, each in part.ours.items()},
        peers={name: each for part in parts for name, each in part.peers.items()},
        ratios={name: each for part in parts for name, each in part.ratios.items()},
        goals=tuple(goal for part in parts for goal in part.goals),
    )


def _ways() -> dict[str, Embedding]:
    """Pieces of names always; the transformer where the extra `text` is installed."""
    try:
        return {GRAMS: Grams(), TRANSFORMER: Transformer.packaged()}
    except NotFound:
        return {GRAMS: Grams()}


def _lotaru(data: Path) -> list[TaskRecord]:
    return [row.record for row in lotaru.read(data)]


def _sizey(data: Path) -> list[TaskRecord]:
    """All traces as one log: nothing but the request is known beforehand."""
    found = [r for flow in sizey.workflows(data) for r in sizey.read(data, flow).records]
    found = [record for record in found if record.duration and record.peak_memory]
    kinds, counts = np.unique([record.kind for record in found], return_counts=True)
    kept = set(kinds[counts >= LEAST_ROWS])
    return [record for record in found if record.kind in kept]


def _folds(kinds: Strings, *, draws: int) -> Iterator[Strings]:
    for draw in range(draws):
        mixed = np.random.default_rng(draw).permutation(np.unique(kinds))
        yield from (mixed[fold::FOLDS] for fold in range(FOLDS))


def _judge(
    records: Sequence[TaskRecord],
    kinds: Strings,
    left_out: Strings,
    ways: Mapping[str, Embedding],
    *,
    seed: int,
) -> Judged:
    """All ways on the same rows: those of the kinds left out, but for the few shown later."""
    rng = np.random.default_rng(seed)
    out = np.isin(kinds, left_out)
    shown = np.concatenate(
        [rng.choice(np.flatnonzero(kinds == kind), SHOWN, replace=False) for kind in left_out]
    )
    known, rest = np.flatnonzero(~out), np.setdiff1d(np.flatnonzero(out), shown)
    examples, offsets, predict = _learned(records, known, rest)
    asked, names = examples.inputs.take(rest), kinds[rest].tolist()
    plain = predict(asked)
    said = {UNKNOWN: plain}
    for way, embedding in ways.items():
        neighbours = Neighbours.fit(examples, offsets, embedding)
        said[way] = neighbours.borrowed(names, asked, plain, predict)
    later, _, predict_later = _learned(records, np.union1d(known, shown), rest)
    said[LATER] = predict_later(later.inputs.take(rest))
    truth = np.stack([examples.truth[name][rest] for name in TARGETS], axis=1)
    return Judged(
        off={way: np.abs(_stacked(each)[..., MIDDLE] - truth) for way, each in said.items()},
        inside={way: _inside(_stacked(each), truth) for way, each in said.items()},
        kinds=np.char.add(f"{seed} ", kinds[rest]),
    )


def _learned(records: Sequence[TaskRecord], known: Any, rest: Any) -> tuple[Examples, Offsets, Any]:
    """The offset of the known rows, and what it forecasts of any."""
    examples = Examples.of(records, split=Split(known, known[:0], rest))
    offsets = Offsets.fit(examples)
    arm = OffsetArm.fit(examples, offsets)

    def predict(inputs: Inputs) -> dict[str, Floats]:
        raw = arm.raw(inputs, TARGETS)
        under = {name: offsets.under(name, inputs) for name in TARGETS}
        return {name: _read(name, raw[name], under[name], offsets) for name in TARGETS}

    return examples, offsets, predict


def _read(name: str, raw: Floats, under: Floats, offsets: Offsets) -> Floats:
    said = targets()[name].read(torch.from_numpy(raw), torch.from_numpy(under))
    return np.asarray(said.numpy() * offsets.scale(name))


def _stacked(said: Mapping[str, Floats]) -> Floats:
    return np.stack([said[name] for name in TARGETS], axis=1)


def _inside(quantiles: Floats, truth: Floats) -> Floats:
    inside = (truth >= quantiles[..., 0]) & (truth <= quantiles[..., -1])
    return np.where(np.isnan(truth), np.nan, inside)


def _together(judged: Sequence[Judged]) -> Judged:
    return Judged(
        off={way: np.concatenate([each.off[way] for each in judged]) for way in judged[0].off},
        inside={way: np.concatenate([e.inside[way] for e in judged]) for way in judged[0].inside},
        kinds=np.concatenate([each.kinds for each in judged]),
    )


def _told(work: str, judged: Judged) -> Part:
    """Every kind counts the same, however many rows it has."""
    errors = {way: _over_kinds(off, judged.kinds) for way, off in judged.off.items()}
    cover = {way: _over_kinds(each, judged.kinds) for way, each in judged.inside.items()}
    ratios: dict[str, float] = {}
    for way in errors.keys() - {UNKNOWN, LATER}:
        own, plain = (_kind_means(judged.off[w], judged.kinds)[:, :2] for w in (way, UNKNOWN))
        groups = np.char.partition(np.unique(judged.kinds), " ")[:, 2]
        low, high = interval(own, plain, groups)
        ratios |= {
            f"{work}: gain of {way}": float((1 - errors[way] / errors[UNKNOWN])[:2].mean()),
            f"{work}: gain of {way}, 5 % of draws below": low,
            f"{work}: gain of {way}, 5 % of draws above": high,
        }
    worst = float((errors[GRAMS] / errors[UNKNOWN])[:2].max())
    goal = Goal(f"{work}: duration and memory over {UNKNOWN}'s", "<= 1", f"{worst:.3f}", worst <= 1)
    rows = {f"{work}: {way}": _row(errors[way], cover[way]) for way in errors}
    return Part(
        ours={name: each for name, each in rows.items() if UNKNOWN not in name},
        peers={name: each for name, each in rows.items() if UNKNOWN in name},
        ratios=ratios,
        goals=(goal,),
    )


def _row(error: Floats, cover: Floats) -> dict[str, float]:
    found = dict(zip(TARGETS, error.tolist(), strict=True))
    return found | {f"{n} inside": c for n, c in zip(TARGETS[:2], cover.tolist(), strict=False)}


def _kind_means(values: Floats, kinds: Strings) -> Floats:
    """Kinds x targets; NaN where a kind has no truth."""
    _, place = np.unique(kinds, return_inverse=True)
    total, count = (np.zeros((place.max() + 1, values.shape[1])) for _ in range(2))
    np.add.at(total, place, np.nan_to_num(values))
    np.add.at(count, place, ~np.isnan(values))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _over_kinds(values: Floats, kinds: Strings) -> Floats:
    mean: Floats = np.nanmean(_kind_means(values, kinds), axis=0)
    return mean
