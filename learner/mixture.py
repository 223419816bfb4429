"""What each kind takes, told by several: its median, the offset, lines, and trees on top of them.

None of them is best for every kind: the median is where a kind hardly varies, trees are where much
was seen. So each speaks for a kind the louder, the better it told rows of that kind that it was not
fitted to (exponential weights, Littlestone and Warmuth 1994), and where nobody is clearly better
than the median, the median speaks alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learner.features import Columns, Inputs
from learner.history import TASK_COLUMNS
from learner.lines import BLOCKS, FINEST, GAIN, Lines, badness, fit_lines
from scheduler.errors import AllotError

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHARPNESS = 0.08  # a member that is so much worse than the best, relatively, weighs 1/e of it
LEAST = 100  # rows below which trees have nothing to divide
ROUNDS = 120
SETTINGS: Mapping[str, Any] = {
    "objective": "quantile",
    "alpha": 0.5,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 8,
    "cat_smooth": 2,
    "cat_l2": 2,
    "min_data_per_group": 5,
    "max_cat_threshold": 64,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
USUAL, BASE, SIZES, SUBJECT, ALL = "usual", "base", "sizes", "subject", "all"


LINES = (USUAL, SIZES, SUBJECT, ALL)  # in the order of the weights


class Trees(NamedTuple):
    """Boosted trees over some of the columns, on what another member leaves."""

    under: str
    columns: str


TREES = (Trees(USUAL, SIZES), Trees(SIZES, SIZES), Trees(BASE, SIZES), Trees(BASE, ALL))


@dataclass(frozen=True, eq=False)
class Mixture:
    """The members, and how loud each speaks for each kind.

    Shape: lines: by group of columns; trees: by member, a model and its columns; weight: kinds x
    members (lines, base, trees), rows of zeros for kinds of which too little was seen.
    """

    lines: Mapping[str, Lines]
    trees: "Mapping[Trees, tuple[Booster, Ints]]"
    weight: Floats

    def at(self, inputs: Inputs, base: Floats) -> Floats:
        """The logarithm of each row; what `base` says for kinds of which too little was seen."""
        told = {name: each.at(inputs) for name, each in self.lines.items()} | {BASE: base}
        said = list(told.values())
        for member, (model, columns) in self.trees.items():
            said.append(told[member.under] + _predicted(model, inputs, columns))
        weight = self.weight[inputs.kind]
        return np.where(weight.sum(1) > 0, (np.column_stack(said) * weight).sum(1), base)

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same; trees as LightGBM's own text."""
        found: dict[str, NDArray[Any]] = {"weight": self.weight}
        for name, line in self.lines.items():
            found |= {f"line/{name}/{each}": array for each, array in line.as_arrays().items()}
        for member, (model, columns) in self.trees.items():
            text = np.frombuffer(model.model_to_string().encode(), dtype=np.uint8)
            found |= {_key("text", member): text, _key("columns", member): columns}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Mixture":
        """What `as_arrays` wrote; AllotError where it has trees and LightGBM is missing."""
        fields: dict[str, dict[str, Floats]] = {}
        for name in (each for each in arrays if each.startswith("line/")):
            _, group, field = name.split("/")
            fields.setdefault(group, {})[field] = arrays[name]
        there = [member for member in TREES if _key("text", member) in arrays]
        return cls(
            lines={name: Lines(**fields[name]) for name in LINES if name in fields},
            trees={m: (_read(arrays[_key("text", m)]), arrays[_key("columns", m)]) for m in there},
            weight=arrays["weight"],
        )


def trees_installed() -> bool:
    """Whether LightGBM is here; without it lines and medians speak alone."""
    return find_spec("lightgbm") is not None


def groups_of(columns: Columns) -> dict[str, Ints]:
    """Groups of columns that a line may stand on, by name; equal ones once."""
    names = [each.name for each in columns.numbers]
    sizes = [j for j, each in enumerate(columns.numbers) if not each.context]
    subject = [j for j, name in enumerate(names) if name.startswith("subject_")]
    past = [j for j, name in enumerate(names) if name in TASK_COLUMNS]
    wanted = {SIZES: sizes, SUBJECT: sizes + subject, ALL: sizes + past}
    found: dict[str, Ints] = {}
    for name, group in wanted.items():
        if name in (SIZES, ALL) or not any(set(group) == set(each) for each in found.values()):
            found[name] = np.array(group, dtype=np.int64)
    return found


def fit_mixture(
    inputs: Inputs,
    values: Floats,
    base: Floats,
    groups: Mapping[str, Ints],
    *,
    kinds: int,
    seed: int = 0,
) -> tuple[Mixture, Floats]:
    """Members for one quantity (logarithms, NaN where not observed), rows oldest first.

    `base` is one more member: what it says of each row without having learned from it. Also
    returned is what the mixture says of each row when its stretch of time is left out; where too
    little was seen that is `base`.
    """
    fitted = {USUAL: fit_lines(inputs, values, kinds=kinds, groups=())}
    for name, group in groups.items():
        if len(group):
            fitted[name] = fit_lines(inputs, values, kinds=kinds, groups=(group,))
    lines = {name: line for name, (line, _) in fitted.items()}
    apart = {name: said for name, (_, said) in fitted.items()} | {BASE: base}
    rows = np.flatnonzero(~np.isnan(apart[USUAL] + base))
    trees, said = _forest(inputs, values, apart, groups, rows, seed=seed)
    everyone = np.column_stack([*apart.values(), *said])
    weight = _weights(inputs.kind, values, everyone, rows, kinds)
    mixed = base.copy()
    mixed[rows] = (everyone[rows] * weight[inputs.kind[rows]]).sum(1)
    return Mixture(lines, trees, weight), mixed


def _forest(
    inputs: Inputs,
    values: Floats,
    apart: Mapping[str, Floats],
    groups: Mapping[str, Ints],
    rows: Ints,
    *,
    seed: int,
) -> "tuple[dict[Trees, tuple[Booster, Ints]], list[Floats]]":
    """Trees, and what those say of each row that were fitted without its stretch of time."""
    trees, said = {}, []
    if len(rows) < LEAST or not trees_installed():
        return {}, []
    block = _blocks(inputs.kind[rows])
    for member in TREES:
        if member.under not in apart or member.columns not in groups:
            continue
        if member.columns == ALL and len(groups[ALL]) == len(groups[SIZES]):
            continue
        columns, left = groups[member.columns], values - apart[member.under]
        told = np.full(len(values), np.nan)
        for each in range(BLOCKS):
            out = rows[block == each]
            model = _grown(inputs, left, columns, rows[block != each], seed)
            told[out] = apart[member.under][out] + _predicted(model, inputs.take(out), columns)
        said.append(told)
        trees[member] = (_grown(inputs, left, columns, rows, seed), columns)
    return trees, said


def _weights(kind: Ints, values: Floats, everyone: Floats, rows: Ints, kinds: int) -> Floats:
    weight = np.zeros((kinds, everyone.shape[1]))
    for each in np.unique(kind[rows]):
        mine = rows[kind[rows] == each]
        off = np.abs(everyone[mine] - values[mine, None])
        width = float(np.median(off[:, 0])) + FINEST
        worse = np.array([badness(column, width) for column in off.T])
        weight[each] = np.exp(-(worse - worse.min()) / max(SHARPNESS * worse.min(), 1e-12))
        if worse.min() >= (1 - GAIN) * worse[0]:
            weight[each] = np.arange(len(worse)) == 0
    return np.asarray(weight / np.maximum(weight.sum(1, keepdims=True), 1e-12))


def _blocks(kind: Ints) -> Ints:
    """The stretch of time in which each row of its kind lies."""
    block = np.zeros(len(kind), dtype=np.int64)
    for each in np.unique(kind):
        mine = np.flatnonzero(kind == each)
        block[mine] = np.arange(len(mine)) * BLOCKS // len(mine)
    return block


def _grown(inputs: Inputs, left: Floats, columns: Ints, rows: Ints, seed: int) -> "Booster":
    import lightgbm

    features = _features(inputs.take(rows), columns)
    data = lightgbm.Dataset(features, left[rows], categorical_feature=[0])
    settings = {**SETTINGS, "seed": seed, "num_threads": 1}
    return lightgbm.train(settings, data, num_boost_round=ROUNDS)


def _predicted(model: "Booster", inputs: Inputs, columns: Ints) -> Floats:
    return np.asarray(model.predict(_features(inputs, columns), num_threads=1), dtype=np.float64)


def _key(what: str, member: Trees) -> str:
    return f"trees/{what}/{member.under}/{member.columns}"


def _read(text: NDArray[Any]) -> "Booster":
    if not trees_installed():
        raise AllotError(
            "This version has trees, and LightGBM, which reads them, is not installed here; "
            "install it with: pip install 'allot[boosted]'"
        )
    from lightgbm import Booster

    return Booster(model_str=text.tobytes().decode())


def _features(inputs: Inputs, columns: Ints) -> Floats:
    """The kind as a category, then the numbers, those missing as NaN."""
    numbers = np.where(inputs.missing > 0, np.nan, inputs.numbers)[:, columns]
    return np.column_stack([inputs.kind, numbers])
