from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged_worlds import KINDS, attempt, logs, seconds

from learner.examples import Examples, Split
from learner.features import Known
from learner.offsets import Offsets
from learner.offsets.pairs import offset_pairs
from learner.offsets.ridge import fit_ridge, median, works
from learner.targets import targets


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples.of(logs(600))


@pytest.fixture(scope="module")
def offsets(examples: Examples) -> Offsets:
    return Offsets.fit(examples)


@pytest.mark.parametrize("kind", KINDS)
def test_the_law_of_each_kind_is_found(offsets: Offsets, examples: Examples, kind: str) -> None:
    known = Known(kind, "alpha", "nightly", {"input_bytes": 2e6, "requested_cores": 2.0})
    believed = offsets.ridges["duration"].at(examples.columns.encode([known]))[0]
    assert believed == pytest.approx(np.log(seconds(kind, "alpha", 2.0)), abs=0.15)


def test_beyond_the_sizes_seen_time_grows_at_most_like_the_size(offsets, examples) -> None:
    def believed(size: float) -> float:
        known = Known("solve", "beta", "nightly", {"input_bytes": size, "requested_cores": 2.0})
        return float(offsets.ridges["duration"].at(examples.columns.encode([known]))[0])

    assert 0 < believed(1e10) - believed(1e9) <= np.log(10) + 1e-9
    assert believed(1e-3) > believed(1e6) - 20
    assert np.isfinite(believed(1e18))


def test_cores_do_not_grow_beyond_the_sizes_seen(offsets, examples) -> None:
    rows = [Known("sort", "beta", "nightly", {"input_bytes": s}) for s in (1e9, 1e12)]
    told = offsets.ridges["cpu"].at(examples.columns.encode(rows))
    assert told[0] == told[1]


def test_an_unknown_kind_takes_what_the_kinds_share(offsets, examples) -> None:
    rows = [Known("new", worker, "nightly", {"input_bytes": 2e6}) for worker in ("alpha", "weak")]
    told = offsets.ridges["duration"].at(examples.columns.encode(rows))
    assert told[0] < told[1]  # weak is slower on the whole


def test_a_quantity_never_observed_gets_a_usual_value(examples: Examples) -> None:
    nothing = np.full(len(examples), np.nan)
    fitted, _ = fit_ridge(examples.inputs, nothing, targets()["memory"], examples.columns)
    np.testing.assert_allclose(np.exp(fitted.at(examples.inputs)), 2.0**30)


def test_offsets_survive_being_written_down(offsets: Offsets, examples: Examples) -> None:
    again = Offsets.from_arrays({n: np.array(a) for n, a in offsets.as_arrays().items()})
    for target in targets():
        told, said = (each.under(target, examples.inputs) for each in (offsets, again))
        assert np.array_equal(told, said)


def test_training_rows_alone_decide_the_offsets() -> None:
    records = logs(200)
    changed = [*records[:170], *logs(200, seed=9)[170:]]
    one, two = (Offsets.fit(Examples.of(each)) for each in (records, changed))
    held = Examples.of(records).inputs
    assert np.array_equal(one.ridges["duration"].at(held), two.ridges["duration"].at(held))


def test_a_pair_never_seen_together_takes_the_usual_pace_of_its_worker() -> None:
    """`merge` never ran on `weak`, which is about four times as slow as alpha everywhere else."""
    records = [r for r in logs(600) if (r.kind, r.worker) != ("merge", "weak")]
    examples = Examples.of(records)
    rows = [Known("merge", w, "nightly", {"input_bytes": 2e6}) for w in ("alpha", "weak")]
    told = Offsets.fit(examples).ridges["duration"].at(examples.columns.encode(rows))
    assert 0.4 < told[1] - told[0] < 1.6


def test_what_is_said_of_a_row_apart_does_not_know_the_row(examples: Examples) -> None:
    """Changing one truth moves what is believed there, but not what other works say of it."""
    rows, columns = examples.split.train, examples.columns
    inputs, truth = examples.inputs.take(rows), examples.truth["duration"][rows].copy()
    target = targets()["duration"]
    one, apart = fit_ridge(inputs, truth, target, columns)
    spot = int(np.flatnonzero(~np.isnan(truth))[7])
    truth[spot] += 0.5
    other, moved = fit_ridge(inputs, truth, target, columns)
    believed = abs(other.at(inputs)[spot] - one.at(inputs)[spot])
    assert abs(moved[spot] - apart[spot]) < 0.2 * believed


def test_apart_is_as_wrong_as_rows_never_seen_are(examples: Examples, offsets: Offsets) -> None:
    train, test = examples.split.train, examples.split.test
    ridge, truth = offsets.ridges["duration"], examples.truth["duration"]
    unseen = np.nanmean(np.abs(ridge.at(examples.inputs.take(test)) - truth[test]))
    apart = np.nanmean(np.abs(offsets.apart["duration"] * ridge.scale - truth[train]))
    fitted = np.nanmean(np.abs(ridge.at(examples.inputs.take(train)) - truth[train]))
    assert fitted < apart
    assert apart == pytest.approx(unseen, rel=0.35)


def test_attempts_of_the_same_kind_and_sizes_are_one_work(examples: Examples) -> None:
    rows = [Known("sort", w, None, {"input_bytes": 2e6}) for w in ("alpha", "beta")]
    rows += [Known("sort", "alpha", None, {"input_bytes": 4e6})]
    first, second, third = works(examples.columns.encode(rows), 2)
    assert first == second != third


@given(st.lists(st.floats(-50, 50), min_size=4, max_size=4))
def test_the_median_of_four_is_that_of_numpy(values: list[float]) -> None:
    ordered = (np.array([each]) for each in sorted(values[1:]))
    assert median(np.array(values[:1]), *ordered)[0] == pytest.approx(np.median(values))


def test_up_to_a_dozen_rows_the_median_of_the_four_readings_is_said() -> None:
    examples = Examples.of([r for r in logs(1600) if r.kind == "sort"][:72])
    rows = examples.inputs.take(np.arange(12))
    ridge, _ = fit_ridge(
        rows, examples.truth["duration"][:12], targets()["duration"], examples.columns
    )
    sizes = ridge.ranges.filled(rows)
    grown, worker = ridge.ranges.natural(sizes), ridge.worker[rows.worker]
    said = [each.at(grown, rows.kind) + worker for each in (ridge.laws, ridge.lines, ridge.plain)]
    said.append(replace(ridge, few=np.zeros_like(ridge.few)).at(rows))
    assert np.ptp(said, axis=0).max() > 0.05
    np.testing.assert_allclose(ridge.at(rows), np.median(said, axis=0))


@pytest.mark.parametrize("count", [12, 24])
def test_few_rows_are_told_on_all_workers_as_one_by_one(count: int) -> None:
    examples = Examples.of([r for r in logs(1600) if r.kind == "sort"][: count + 60])
    rows = examples.inputs.take(np.arange(count))
    truth = examples.truth["duration"][:count]
    ridge, _ = fit_ridge(rows, truth, targets()["duration"], examples.columns)
    workers = np.arange(len(examples.columns.workers))
    told = offset_pairs({"duration": ridge}, examples.inputs, workers)["duration"]
    alone = [ridge.at(examples.inputs.on(np.full(len(examples), w))) for w in workers]
    np.testing.assert_allclose(told, np.transpose(alone), atol=1e-6)


@pytest.mark.parametrize(("rows", "share"), [(6, 1.0), (12, 1.0), (24, 2 / 17), (200, 0.0)])
def test_a_kind_is_told_by_its_median_reading_as_much_as_its_rows_are_few(rows, share) -> None:
    examples = Examples.of([r for r in logs(1600) if r.kind == "sort"][: rows + 60])
    inputs, truth = examples.inputs.take(np.arange(rows)), examples.truth["duration"][:rows]
    fitted, _ = fit_ridge(inputs, truth, targets()["duration"], examples.columns)
    assert fitted.few[examples.columns.kinds.index("sort")] == pytest.approx(share)


def test_few_rows_with_one_far_off_are_not_bent_around_it() -> None:
    """Twelve runs of `sort` on alpha, one of the small ones ten times too slow."""
    rng = np.random.default_rng(0)
    some = [attempt(i, "sort", "alpha", 2.0 ** (i / 2), rng=rng) for i in range(12)]
    some[2] = replace(some[2], duration=10 * some[2].duration)
    others = [r for r in logs(200) if r.kind == "align"]
    examples = Examples.of([*some, *others], split=Split(*np.split(np.arange(40), [30, 35])))
    known = Known("sort", "alpha", "nightly", {"input_bytes": 60e6, "requested_cores": 2.0})
    told = Offsets.fit(examples).ridges["duration"].at(examples.columns.encode([known]))
    assert told[0] == pytest.approx(np.log(seconds("sort", "alpha", 60.0)), abs=0.35)
