"""The protocol of choosing solvers, on scenarios written by hand."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.assigning import solvers
from benchmarks.base import Part, combined
from benchmarks.public.aslib import Scenario, read
from benchmarks.rivals import solvers_others as others
from scheduler.errors import InvalidInput, NotFound

DATA = Path(os.environ.get("ALLOT_PUBLIC_LOGS", "public-logs"))
RUNS = """@RELATION runs
@ATTRIBUTE instance_id STRING
@ATTRIBUTE repetition NUMERIC
@ATTRIBUTE algorithm STRING
@ATTRIBUTE runtime NUMERIC
@ATTRIBUTE runstatus {ok, timeout, memout}

@DATA
'b, with comma',1,quick,5,ok
'b, with comma',1,slow,100,timeout
a,1,quick,3,memout
a,1,slow,40,ok
"""
FOLDS = """@relation cv
@attribute instance_id string
@attribute repetition numeric
@attribute fold numeric
@data
a,1,1
'b, with comma',1,2
a,2,2
"""
FEATURES = """@RELATION features
@ATTRIBUTE instance_id STRING
@ATTRIBUTE repetition NUMERIC
@ATTRIBUTE size NUMERIC
@ATTRIBUTE depth NUMERIC
@DATA
a,1,-2,?
'b, with comma',1,4,1e3
"""


def written(folder: Path, runs: str = RUNS) -> Path:
    place = folder / "aslib" / "TOY"
    place.mkdir(parents=True)
    (place / "description.txt").write_text("scenario_id: TOY\nalgorithm_cutoff_time: 100\n")
    texts = {"algorithm_runs": runs, "cv": FOLDS, "feature_values": FEATURES}
    for name, text in texts.items():
        (place / f"{name}.arff.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def scenario(seconds: list[list[float]], fold: list[int]) -> Scenario:
    """Cut-off 100; what took as long was not solved."""
    took = np.array(seconds)
    return Scenario(
        "toy",
        tuple(f"s{j}" for j in range(took.shape[1])),
        100.0,
        np.arange(len(took), dtype=float)[:, None],
        took,
        took < 100,
        np.array(fold),
    )


def test_a_scenario_is_read_as_its_files_say(tmp_path: Path) -> None:
    (toy,) = read(written(tmp_path))
    assert toy.solvers == ("quick", "slow")
    assert toy.par10().tolist() == [[1000.0, 40.0], [5.0, 1000.0]]
    np.testing.assert_array_equal(toy.features, [[-2.0, np.nan], [4.0, 1000.0]])
    assert toy.fold.tolist() == [1, 2]


def test_a_run_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Every solver"):
        read(written(tmp_path, runs="\n".join(RUNS.splitlines()[:-1])))


def test_a_folder_without_scenarios_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="--data"):
        read(tmp_path)


def test_the_single_best_is_that_of_the_other_folds() -> None:
    """In fold 1 the second solver is best, in fold 2 the first: each is charged for the other's."""
    toy = scenario([[50.0, 10.0], [50.0, 10.0], [1.0, 20.0], [1.0, 20.0]], [1, 1, 2, 2])
    bounds = solvers.bounds_of(toy)
    assert bounds.single.tolist() == [50.0, 50.0, 20.0, 20.0]
    assert bounds.oracle.tolist() == [10.0, 10.0, 1.0, 1.0]


def test_the_oracle_closes_the_gap_and_the_single_best_none_of_it() -> None:
    toy = scenario([[50.0, 10.0], [30.0, 60.0], [1.0, 100.0], [9.0, 2.0]], [1, 2, 1, 2])
    bounds = solvers.bounds_of(toy)
    assert bounds.closed(bounds.oracle) == 1
    assert bounds.closed(bounds.single) == 0
    assert bounds.closed(2 * bounds.single - bounds.oracle) == -1


def test_instances_that_nobody_solves_change_no_gap() -> None:
    some = [[50.0, 10.0], [30.0, 60.0], [1.0, 90.0], [9.0, 2.0]]
    folds = [1, 2, 1, 2]
    gaps = []
    for toy in (scenario(some, folds), scenario([*some, *[[100.0, 100.0]] * 4], folds * 2)):
        paid = toy.par10()[np.arange(len(toy.fold)), [1, 0, 1, 0] * (len(toy.fold) // 4)]
        gaps.append(solvers.bounds_of(toy).closed(paid))
    assert gaps[0] == pytest.approx(gaps[1])


def test_no_learner_is_told_what_it_chooses_for() -> None:
    """A learner that remembers costs by feature knows nothing of the instances of its test fold."""
    toy = scenario([[float(i), 50.0] for i in range(20)], [1 + i % 10 for i in range(20)])
    seen = []

    def spy(features: np.ndarray, cost: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
        seen.append(set(features.ravel()) & set(new.ravel()))
        assert cost.max() <= 10
        return np.zeros((len(new), 2))

    solvers.chosen(spy, [toy], (0,))
    assert seen == [set()] * 10


def test_the_nearest_neighbours_are_those_by_all_features() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    cost = rng.uniform(size=(40, 2))
    known, asked = others.fit_features(x, x[:5])
    slow = [cost[np.argsort(((known - each) ** 2).sum(1))[:10]].mean(0) for each in asked]
    np.testing.assert_allclose(others.neighbours(x, cost, x[:5], 0), slow)


def test_pairs_vote_for_the_cheaper_solver() -> None:
    pytest.importorskip("sklearn")
    x = np.linspace(-1, 1, 80)[:, None]
    cost = np.column_stack([x[:, 0] > 0, x[:, 0] <= 0, np.full(80, 5.0)]).astype(float)
    told = others.pairwise(x, cost, np.array([[-0.5], [0.5]]), 0)
    assert told.argmin(1).tolist() == [0, 1]


def test_parts_are_put_together_and_names_must_differ() -> None:
    one = Part(ours={"a": 1}, goals=())
    assert combined("work", [one, Part(ours={"b": 2}, goals=())]).ours == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="apart"):
        combined("work", [one, one])


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "aslib").exists(), reason="ALLOT_PUBLIC_LOGS is not set")
def test_both_bounds_come_out_as_measured_elsewhere() -> None:
    asp = next(s for s in read(DATA) if s.name == "ASP-POTASSCO")
    bounds = solvers.bounds_of(asp)
    assert bounds.oracle.mean() == pytest.approx(400, abs=1)
    assert bounds.single.mean() == pytest.approx(881, abs=2)
