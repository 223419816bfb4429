from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from learner.adaptation import Adaptation
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.features import UNKNOWN, Inputs
from learner.learned import Learned
from learner.neighbours import CHUNK, Neighbours, Predict, Trust, _chosen, _mean
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.predictor import NetworkPredictor
from learner.registry import Registry
from learner.targets.quantities import MIDDLE
from learner.text import Grams
from scheduler.cluster import Cluster, Worker
from scheduler.records import Outcome, TaskRecord
from scheduler.store.values import ModelVersion
from scheduler.workflow import Task, Workflow

TOOLS = {"align": 1000.0, "sorter": 60.0, "report": 2.0, "archive": 300.0}
FLOWS = ("flowone", "flowtwo", "flowthree", "flowfour")
ROWS = 20


def records_of(kinds: dict[str, float], *, seed: int = 0) -> list[TaskRecord]:
    """Each kind takes its seconds, give or take a tenth; memory is the same for all."""
    rng = default_rng(seed)
    return [
        TaskRecord(
            run="r",
            task=f"{kind}/{i}",
            kind=kind,
            worker="w",
            outcome=Outcome.SUCCEEDED,
            duration=seconds * float(np.exp(rng.normal(0, 0.1))),
            peak_memory=1e9 * float(np.exp(rng.normal(0, 0.5))),
        )
        for kind, seconds in kinds.items()
        for i in range(ROWS)
    ]


def told_of(kinds: dict[str, float], new: str) -> tuple[Examples, Offsets, Neighbours]:
    """What is learned from these kinds, with the rows of a new one to judge."""
    known = records_of(kinds)
    records = [*known, *records_of({new: 1.0})]
    n = len(known)
    split = Split(np.arange(n), np.arange(0), np.arange(n, len(records)))
    examples = Examples.of(records, split=split)
    offsets = Offsets.fit(examples)
    return examples, offsets, Neighbours.fit(examples, offsets, Grams())


def teller(offsets: Offsets) -> Predict:
    """The offset's medians, with quantiles a tenth away."""

    def predict(inputs: Inputs) -> dict[str, np.ndarray]:
        told = {n: offsets.under(n, inputs) * offsets.scale(n) for n in ("duration", "memory")}
        quantiles = {n: each[:, None] + np.array([-0.1, 0.0, 0.1]) for n, each in told.items()}
        return quantiles | {"assignment": -told["duration"]}

    return predict


def forecast(
    examples: Examples, offsets: Offsets, neighbours: Neighbours, name: Any, rows: Any
) -> dict[str, np.ndarray]:
    inputs, predict = examples.inputs.take(rows), teller(offsets)
    names = [name] * len(rows) if isinstance(name, str) else name
    return neighbours.borrowed(names, inputs, predict(inputs), predict)


TELLING = {f"{flow}/{tool}": took for flow in FLOWS for tool, took in TOOLS.items()}
NEW = "flowfive/align"


@pytest.fixture(scope="module")
def told() -> tuple[Examples, Offsets, Neighbours]:
    return told_of(TELLING, NEW)


def mute() -> dict[str, float]:
    """The same kinds, with durations that their names do not tell."""
    return dict(zip(TELLING, default_rng(1).permutation(list(TELLING.values())), strict=True))


def test_a_new_kind_takes_as_long_as_the_same_tool_elsewhere(told) -> None:
    rows = told[0].split.test
    said = forecast(*told, NEW, rows)["duration"][:, MIDDLE]
    np.testing.assert_allclose(said, np.log(TOOLS["align"]), atol=0.15)


def test_what_names_do_not_tell_is_not_borrowed(told) -> None:
    examples, offsets, _ = told
    rows = examples.split.test
    said = forecast(*told, NEW, rows)["memory"]
    alone = offsets.under("memory", examples.inputs.take(rows)) * offsets.scale("memory")
    np.testing.assert_allclose(said[:, MIDDLE], alone)


def test_where_names_tell_nothing_the_unknown_kind_speaks_alone_and_is_as_unsure() -> None:
    examples, offsets, neighbours = told_of(mute(), NEW)
    row = examples.split.test[:1]
    low, middle, high = forecast(examples, offsets, neighbours, NEW, row)["duration"][0]
    under = offsets.under("duration", examples.inputs.take(row)) * offsets.scale("duration")
    assert middle == pytest.approx(under[0])
    assert low < np.log(min(TOOLS.values())) + 0.3
    assert high > np.log(max(TOOLS.values())) - 0.3


def test_too_few_kinds_tell_nothing() -> None:
    few = {kind: TELLING[kind] for kind in list(TELLING)[:4]}
    assert told_of(few, NEW)[2].trusts == {}


def test_kinds_that_are_known_are_left_as_they_are(told) -> None:
    rows = told[0].split.train[:5]
    said = forecast(*told, "flowone/align", rows)
    np.testing.assert_allclose(said["duration"][:, 2] - said["duration"][:, 0], 0.2)


def test_a_name_like_no_other_is_further_from_its_neighbours_and_less_sure(told) -> None:
    rows = told[0].split.test[:1]
    near, far = (forecast(*told, name, rows)["duration"][0] for name in (NEW, "zebra"))
    assert far[2] - far[0] > 2 * (near[2] - near[0])


def test_eight_of_ten_truths_of_kinds_left_out_lie_inside() -> None:
    rng = default_rng(5)
    wild = {k: took * float(np.exp(rng.normal(0, 0.5))) for k, took in TELLING.items()}
    inside = []
    for new in list(wild)[::2]:
        kinds = {kind: took for kind, took in wild.items() if kind != new}
        examples, offsets, neighbours = told_of(kinds, new)
        low, _, high = forecast(examples, offsets, neighbours, new, examples.split.test[:1])[
            "duration"
        ][0]
        inside.append(low <= np.log(wild[new]) <= high)
    assert 0.6 <= np.mean(inside) <= 1.0


def test_the_assignment_follows_the_neighbours_of_the_duration(told) -> None:
    said = forecast(*told, NEW, told[0].split.test[:3])
    np.testing.assert_allclose(said["assignment"], -said["duration"][:, MIDDLE])


def test_many_rows_at_once_are_the_rows_one_by_one(told) -> None:
    row, names = told[0].split.test[:1], [NEW] * (CHUNK + 2) + ["zebra", "flowsix/report"]
    many = forecast(*told, names, np.tile(row, len(names)))["duration"]
    for i in (0, CHUNK, -2, -1):
        alone = forecast(*told, names[i], row)["duration"][0]
        np.testing.assert_allclose(many[i], alone)


def test_tasks_on_every_worker_are_the_rows_one_by_one(told) -> None:
    examples, offsets, neighbours = told
    names, tasks = [NEW, "zebra"], examples.inputs.take(examples.split.test[:2])

    def predict(inputs: Inputs) -> dict[str, np.ndarray]:
        return {n: (e.T + inputs.worker).T for n, e in teller(offsets)(inputs).items()}

    asked: list[tuple[int, int]] = []

    def every(some: Inputs, places: np.ndarray) -> dict[str, np.ndarray]:
        asked.append((len(some), len(places)))
        each = [predict(some.on(np.full(len(some), place))) for place in places]
        return {name: np.stack([told[name] for told in each], axis=1) for name in each[0]}

    said = neighbours.on_workers(names, tasks, np.array([1, 0]), every)
    assert len(asked) == 1, "all workers are asked for at once"
    assert said["duration"].shape == (2, 2, 3)
    assert said["assignment"].shape == (2, 2)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row = tasks.take([i]).on(np.array([1 - j]))
        alone = neighbours.borrowed([names[i]], row, predict(row), predict)
        np.testing.assert_allclose(said["duration"][i, j], alone["duration"][0])


@pytest.fixture
def version(told, tmp_path) -> Learned:
    """A version that was saved and loaded again; its network is not trained."""
    examples, offsets, _ = told
    neighbours = Neighbours.fit(examples, offsets, Grams(), {"zebra": "writes a report"})
    torch.manual_seed(0)
    network = Network(Plan.over(examples.columns, "hard", Shape(width=8)))
    whole = Learned(network, examples.columns, offsets, Calibration.none(), neighbours=neighbours)
    registry = Registry(tmp_path)
    name, sha256 = registry.save("hard-1", whole, {})
    return registry.load(ModelVersion(name, "hard", datetime(2026, 1, 6, tzinfo=UTC), sha256))


def test_a_version_forecasts_new_kinds_by_their_names(version: Learned) -> None:
    tasks = Workflow("w", [Task(id="a", kind=NEW), Task(id="b", kind="flowone/align")])
    cluster = Cluster("c", [Worker(name="w", cores=4, memory=2**34)])
    forecast = NetworkPredictor(version, "v").predict(tasks, cluster)
    plain = NetworkPredictor(replace(version, neighbours=None), "v").predict(tasks, cluster)
    np.testing.assert_array_equal(forecast.duration[1], plain.duration[1])
    row = version.columns.encode_pairs(tasks, cluster).take([0])
    assert version.neighbours is not None
    said = version.neighbours.borrowed([NEW], row, version.predict(row), version.predict)
    np.testing.assert_allclose(forecast.duration[0, 0], np.exp(said["duration"][0]))
    assert abs(np.log(forecast.duration[0, 0, 1] / plain.duration[0, 0, 1])) > 0.5


def test_a_version_keeps_what_kinds_to_come_are_said_to_do(version: Learned) -> None:
    def seconds(kind: str) -> float:
        tasks = Workflow("w", [Task(id="a", kind=kind)])
        cluster = Cluster("c", [Worker(name="w", cores=4, memory=2**34)])
        return float(NetworkPredictor(version, "v").predict(tasks, cluster).duration[0, 0, 1])

    assert seconds("zebra") < 0.5 * seconds("okapi")


def test_a_kind_met_since_is_forecast_from_what_it_did(version: Learned) -> None:
    tasks = Workflow("w", [Task(id="a", kind=NEW)])
    cluster = Cluster("c", [Worker(name="w", cores=4, memory=2**34)])
    met = Adaptation(version, kinds={"duration": {NEW: 1.0}})
    plain = NetworkPredictor(replace(version, neighbours=None), "v").predict(tasks, cluster)
    moved = NetworkPredictor(version, "v", met).predict(tasks, cluster)
    np.testing.assert_allclose(moved.duration, plain.duration * np.e)


def test_trusts_survive_being_written_down(told) -> None:
    examples, offsets, neighbours = told
    arrays = {name: np.array(each) for name, each in neighbours.as_arrays().items()}
    again = Neighbours.from_arrays(arrays, neighbours.kinds, Grams())
    first, second = (forecast(examples, offsets, n, NEW, [-1]) for n in (neighbours, again))
    np.testing.assert_array_equal(first["duration"], second["duration"])


@settings(deadline=None)
@given(
    alike=st.lists(st.floats(-1, 1), min_size=1, max_size=8),
    heat=st.floats(0.01, 1),
    bar=st.floats(-1, 1),
)
def test_weights_add_up_to_one_and_rise_with_likeness(
    alike: list[float], heat: float, bar: float
) -> None:
    weights = Trust(heat, bar, 1.0, np.zeros(3)).weights(np.array([sorted(alike)]))[0]
    assert weights.sum() == pytest.approx(1.0)
    assert (np.diff(weights[1:]) >= 0).all()


def test_weights_are_those_of_the_formula() -> None:
    weights = Trust(0.1, 0.3, 1.0, np.zeros(3)).weights(np.array([[0.5, 0.2]]))[0]
    share = np.exp(np.array([3.0, 5.0, 2.0]))
    np.testing.assert_allclose(weights, share / share.sum())


def test_neighbours_that_disagree_widen_the_forecast() -> None:
    trust = Trust(0.1, 0.0, 1.0, np.array([-1.0, 0.0, 1.0]))
    weights = np.array([[0.5, 0.5]])
    widths = [trust.width(_mean(np.array([each]), weights)[1])[0] for each in ([3, 3], [1, 5])]
    assert widths == pytest.approx([0.5, np.hypot(2, 0.5)])


def test_rows_of_unknown_kinds_without_a_name_keep_the_unknown_kinds_forecast(told) -> None:
    examples, offsets, neighbours = told
    bare = replace(neighbours, trusts={})
    rows = examples.split.test
    assert (examples.inputs.kind[rows] == UNKNOWN).all()
    said = forecast(examples, offsets, bare, NEW, rows)["duration"][:, MIDDLE]
    under = offsets.under("duration", examples.inputs.take(rows)) * offsets.scale("duration")
    np.testing.assert_array_equal(said, under)


def test_what_never_varies_is_borrowed_without_any_doubt_that_is_no_number() -> None:
    """A quantity that is always one: nobody misses, and no neighbours differ."""
    kind, alike = np.repeat(np.arange(1, 8), 5), np.full((35, 3), 0.5)
    trust = _chosen(np.zeros((35, 4)), np.zeros(35), kind, alike)
    assert trust is not None
    np.testing.assert_array_equal(trust.steps, 0.0)
