"""Workers and kinds met after a training, in worlds whose truth is known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged_worlds import KINDS, WORKERS, attempt, one_learned, one_world, seconds

from learner.adaptation import adapted, met_since
from learner.habits import Habits, Recall
from learner.predictor import NetworkPredictor
from learner.targets.quantities import MIDDLE
from scheduler.cluster import Cluster, Worker
from scheduler.records import TaskRecord
from scheduler.store import Store
from scheduler.workflow import Task, Workflow

SLOWER = 3.0  # than beta, in everything


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/allot.db") as opened:
        yield opened


def newcomers(count: int, name: str = "fresh") -> list[TaskRecord]:
    rng = np.random.default_rng(7)
    made = []
    for i in range(count):
        kind, size = KINDS[i % len(KINDS)], float(rng.uniform(1, 5))
        record = attempt(10_000 + i, kind, "beta", size, rng=rng)
        made.append(replace(record, worker=name, duration=record.duration * SLOWER))
    return made


def errors(known: list[TaskRecord], asked: list[TaskRecord]) -> dict[str, float]:
    """Of the medians of the asked, before and after the known are in the records."""
    learned = one_learned()
    inputs = learned.columns.encode_records(asked)
    told = learned.predict(inputs)
    kinds, workers = [r.kind for r in asked], [r.worker for r in asked]
    moved = adapted(learned, [*one_world(), *known]).moved(
        told, inputs, kinds=kinds, workers=workers
    )
    truth = np.log([record.duration for record in asked])
    return {
        name: float(np.abs(truth - each["duration"][:, MIDDLE]).mean())
        for name, each in (("before", told), ("after", moved))
    }


def test_four_rows_of_a_slower_worker_tell_that_it_is_slower() -> None:
    rows = newcomers(44)
    found = errors(rows[:4], rows[4:])
    assert found["after"] < 0.5 * found["before"]


def test_more_rows_make_it_better() -> None:
    rows = newcomers(80)
    assert errors(rows[:40], rows[40:])["after"] < errors(rows[:1], rows[40:])["after"]


def test_without_a_new_name_no_forecast_moves() -> None:
    learned, records = one_learned(), one_world()[:50]
    inputs = learned.columns.encode_records(records)
    told = learned.predict(inputs)
    met = adapted(learned, one_world())
    kinds, workers = [r.kind for r in records], [r.worker for r in records]
    moved = met.moved(told, inputs, kinds=kinds, workers=workers)
    assert all(np.array_equal(moved[name], told[name]) for name in told)


def test_known_workers_stay_as_they_are_when_a_new_one_is_met() -> None:
    learned, records = one_learned(), one_world()[:50]
    inputs = learned.columns.encode_records(records)
    told = learned.predict(inputs)
    met = adapted(learned, [*one_world(), *newcomers(8)])
    kinds, workers = [r.kind for r in records], [r.worker for r in records]
    moved = met.moved(told, inputs, kinds=kinds, workers=workers)
    assert all(np.array_equal(moved[name], told[name]) for name in told)


def test_a_kind_never_seen_is_moved_to_what_its_rows_took() -> None:
    rows = [replace(r, kind="press", worker=WORKERS[0]) for r in newcomers(44)]
    found = errors(rows[:8], rows[8:])
    assert found["after"] < found["before"]


def test_a_slower_worker_is_the_right_one_less_often() -> None:
    learned, rows = one_learned(), newcomers(12)
    inputs = learned.columns.encode_records(rows)
    told = learned.predict(inputs)
    met = adapted(learned, [*one_world(), *rows])
    kinds, workers = [r.kind for r in rows], [r.worker for r in rows]
    moved = met.moved(told, inputs, kinds=kinds, workers=workers)
    shift = met.move("duration", inputs, kinds=kinds, workers=workers)
    assert np.all((moved["assignment"] < told["assignment"]) == (shift > 0))


def test_a_store_without_new_names_is_not_read_through(store: Store) -> None:
    learned = one_learned()
    store.add_records([(f"k{i}", record) for i, record in enumerate(one_world())], "a log")
    assert not met_since(learned, store).shift


def test_a_store_with_a_new_name_tells_of_it(store: Store) -> None:
    records = [*one_world(), *newcomers(6)]
    store.add_records([(f"k{i}", record) for i, record in enumerate(records)], "a log")
    shift = met_since(one_learned(), store).shift["duration"]
    assert list(shift) == ["fresh"]


def test_what_a_source_on_hold_says_of_a_new_name_is_not_believed(store: Store) -> None:
    old, new = one_world(), newcomers(6)
    for source, records in (("a log", old), ("another", new)):
        store.add_records([(f"{source}{i}", each) for i, each in enumerate(records)], source)
    at = datetime(2026, 2, 3, tzinfo=UTC)
    store.judge_source("another", state="on hold", reason="why", by="ada", at=at)
    assert not met_since(one_learned(), store).shift


def forecast(met: bool, speed: float = 1.0) -> np.ndarray:
    """Seconds of one task of each kind on a worker met since, or not."""
    learned = one_learned()
    tasks = [Task(id=kind, kind=kind, sizes={"input_bytes": 3e6}) for kind in KINDS]
    cluster = Cluster("one", [Worker(name="fresh", cores=4, memory=2**33, speed=speed)])
    found = adapted(learned, [*one_world(), *newcomers(40)]) if met else None
    told = NetworkPredictor(learned, "x", found).predict(Workflow("nightly", tasks), cluster)
    return np.asarray(told.duration[:, 0, MIDDLE])


def test_a_worker_met_since_is_forecast_from_what_it_did() -> None:
    truth = np.log([SLOWER * seconds(kind, "beta", 3.0) for kind in KINDS])
    before, after = (np.abs(np.log(forecast(met)) - truth).mean() for met in (False, True))
    assert after < 0.5 * before


def test_what_a_worker_did_replaces_the_speed_that_it_declares() -> None:
    assert forecast(False, speed=8.0) == pytest.approx(forecast(False) / 8.0, rel=1e-3)
    assert (forecast(True, speed=8.0) > 0.6 * forecast(True)).all()


def habits(effects: list[list[float]], noise: float) -> Habits:
    table = np.array(effects)
    mean = table.mean(1, keepdims=True)
    return Habits(
        effects=table,
        level=mean[:, 0],
        noise=np.full(table.shape[1], noise),
        apart=float(((table - mean) ** 2).mean()),
    )


@given(st.floats(-2, 2), st.integers(1, 30))
def test_a_shift_lies_between_nothing_and_the_mean_of_the_rows(level: float, rows: int) -> None:
    known = habits([[0.3, 0.3], [-0.3, -0.3], [0.1, 0.1]], 0.01)
    shift, decided = known.met(np.full(rows, level), np.zeros(rows, dtype=np.int64))
    assert min(level, 0.0) - 1e-9 <= shift[0] <= max(level, 0.0) + 1e-9
    assert ((decided >= 0) & (decided <= 1)).all()


def test_many_rows_are_believed() -> None:
    known = habits([[0.3], [-0.3]], 0.01)
    shift, decided = known.met(np.full(200, 0.9), np.zeros(200, dtype=np.int64))
    assert shift[0] == pytest.approx(0.9, abs=0.01)
    assert decided[0] > 0.99


def test_where_known_workers_are_alike_few_rows_hardly_move_anything() -> None:
    alike = habits([[0.001, -0.001], [-0.001, 0.001]], 0.04)
    shift, _ = alike.met(np.array([0.3, -0.1]), np.array([0, 1]))
    assert np.abs(shift).max() < 0.01


def test_kinds_that_go_together_on_known_workers_move_together() -> None:
    known = habits([[0.5, 0.5, -0.5], [-0.5, -0.5, 0.5], [0.4, 0.4, -0.4]], 0.01)
    shift, _ = known.met(np.full(4, 0.4), np.zeros(4, dtype=np.int64))
    assert shift[1] > 0.1
    assert shift[2] < 0.0


def test_one_row_far_off_among_good_ones_counts_little() -> None:
    known = habits([[0.2], [-0.2], [0.3]], 0.01)
    good = np.full(5, 0.2)
    clean, _ = known.met(good, np.zeros(5, dtype=np.int64))
    spoilt, _ = known.met(np.append(good, 4.0), np.zeros(6, dtype=np.int64))
    assert abs(spoilt[0] - clean[0]) < 0.05


def test_a_normal_posterior_is_met_where_noise_is_nearly_normal() -> None:
    """One kind, one row close by: prior variance / (prior variance + noise), in closed form."""
    known = habits([[0.2], [-0.2]], 1.0)
    prior = (0.08 + 3 * 0.04) / 5 * 1.5 + 1e-6
    shift, _ = known.met(np.array([0.0]), np.array([0]))
    assert shift[0] == 0.0
    _, decided = known.met(np.array([1e-3]), np.array([0]))
    spread = 0.0
    for _ in range(40):
        spread = prior * (1 - prior / (prior + (4 + spread) / 5))
    assert decided[0] == pytest.approx(prior / (prior + (4 + spread) / 5), rel=1e-3)


@pytest.mark.parametrize(("spread", "noise", "least", "most"), [(0.5, 0.05, 0.75, 1), (0, 1, 0, 0)])
def test_a_shift_is_made_as_far_as_it_would_have_paid_on_known_workers(
    spread: float, noise: float, least: float, most: float
) -> None:
    rng = np.random.default_rng(3)
    worker, kind = np.repeat(np.arange(1, 7), 60), np.tile([0, 1, 2], 120)
    left = spread * rng.normal(size=7)[worker] + noise * rng.normal(size=360)
    known = Habits.learn(left, worker, kind, own=np.zeros(360), kinds=3)
    share = known.share(left, worker, kind, rows=4, rng=np.random.default_rng(0))
    assert least <= share <= most


def test_recall_gives_the_mean_of_what_a_work_left_shrunk_by_its_spread() -> None:
    left = np.array([1.0, 1.2, -1.0, -1.2])
    recall = Recall.learn(left, [b"a", b"a", b"b", b"b"])
    within = (4 * 0.1**2) / 2
    lone = within / (1.1**2 - within / 2)
    assert recall.at([b"a", b"b", b"c"]) == pytest.approx(
        [1.1 * 2 / (2 + lone), -1.1 * 2 / (2 + lone), 0.0]
    )


def test_the_world_of_these_tests_is_as_slow_as_it_says() -> None:
    rows = newcomers(40)
    sizes = [record.sizes["input_bytes"] / 1e6 for record in rows]
    usual = [seconds(r.kind, "beta", size) for r, size in zip(rows, sizes, strict=True)]
    pace = np.log([r.duration for r in rows]) - np.log(usual)
    assert np.median(pace) == pytest.approx(np.log(SLOWER), abs=0.05)
