"""A log in files gives what the same log gives in memory, and more of it than memory holds."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from logged_worlds import compared_logs, filled, logs

from learner.examples import Examples, in_order
from learner.methods.base import Method
from learner.networks.base import Shape
from learner.offsets import Offsets
from learner.training import snapshot as snapshots
from learner.training.lesson import lessons_of
from learner.training.on_ray import train
from learner.training.ray_data import encoding
from learner.training.settings import TrainingSettings
from learner.training.snapshot import Snapshot
from learner.training.streamed import sampled
from scheduler.errors import InvalidInput
from scheduler.records import TaskRecord
from scheduler.store import Store

QUICK = TrainingSettings(epochs=2, shape=Shape(width=8, experts=2), folds=0, refit=False)
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def world() -> list[TaskRecord]:
    """Graphs, subjects, attempts tried again, some that overlap, and some without times."""
    found = []
    for i, record in enumerate(compared_logs(60)):
        assert record.ended is not None
        mine = replace(
            record,
            task=f"{record.kind}-{i} (sample{i % 7})",
            run=f"run-{i // 9}",
            started=record.ended - timedelta(minutes=5),
            submitted=record.ended - timedelta(minutes=i % 11),
            predecessors=(f"{found[-1].kind}-{i - 1} (sample{(i - 1) % 7})",) if i % 9 else (),
        )
        found.append(mine)
    again = [
        replace(each, attempt=2, started=each.ended, ended=each.ended + timedelta(hours=1))
        for each in found[100:130:6]
        if each.ended
    ]
    untimed = [
        replace(each, run="old", submitted=None, started=None, ended=None)
        for each in compared_logs(12, seed=5)
    ]
    return in_order([*found, *again, *untimed])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a few records, so that there are several."""
    monkeypatch.setattr(snapshots, "SHARD", 37)


def test_records_come_back_from_the_files_as_they_were(tmp_path: Path, small: None) -> None:
    records = world()
    snapshot = Snapshot.write(records, tmp_path / "s")
    assert len(snapshot.files) > 3
    assert [each for _, shard in snapshot.shards() for each in shard] == records
    assert list(snapshot.pick([140, 3, 139])) == [records[140], records[3], records[139]]


def test_what_is_learned_from_files_is_what_is_learned_in_memory(tmp_path: Path, small) -> None:
    records = world()
    plain = Examples.of(records)
    streamed = sampled(Snapshot.write(records, tmp_path / "s"), hold=10**6, seed=0)
    assert streamed.columns.as_plain() == plain.columns.as_plain()
    for part in ("train", "validation", "test"):
        assert getattr(streamed.split, part).tolist() == getattr(plain.split, part).tolist()
    np.testing.assert_array_equal(streamed.inputs.numbers, plain.inputs.numbers)
    assert any(each.context for each in plain.columns.numbers)
    one, two = (
        lessons_of(each, Offsets.fit(each), seed=0)["train"].told() for each in (plain, streamed)
    )
    assert one.keys() == two.keys()
    for name in ("attempts", "works", "workers", "truth", "at_least", "offset", "weight"):
        told, said = (each[name] for each in (one, two))
        for a, b in zip(_tensors(told), _tensors(said), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


@pytest.mark.ray
@quiet
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.timeout(600)
def test_ray_data_encodes_what_one_process_encodes(tmp_path: Path, small: None) -> None:
    records = world()
    lessons = []
    for name, workers in (("one", 0), ("many", 1)):
        snapshot = Snapshot.write(records, tmp_path / name)
        with encoding(workers, "local") as blocks:
            held = sampled(snapshot, hold=120, seed=0, blocks=blocks)
            lessons.append(lessons_of(held, Offsets.fit(held), seed=0)["train"].told())
    for name in ("attempts", "truth", "at_least", "offset", "weight"):
        for a, b in zip(*(_tensors(each[name]) for each in lessons), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def _tensors(held: object) -> list[torch.Tensor]:
    if isinstance(held, torch.Tensor):
        return [held]
    return list(held.values()) if isinstance(held, dict) else list(held)  # type: ignore[call-overload]


def test_a_sample_keeps_tasks_whole_and_learns_from_all_rows(tmp_path: Path, small: None) -> None:
    records = world()
    plain = Examples.of(records)
    part = sampled(Snapshot.write(records, tmp_path / "s"), hold=120, seed=0)
    assert 60 < len(part) < 180
    held = {(each.run, each.task) for each in part.records}
    assert sum((each.run, each.task) in held for each in records) == len(part)
    lesson = lessons_of(part, Offsets.fit(part), seed=0)["train"]
    assert len(lesson) == len(plain.split.train)
    assert sum(map(len, lesson.truth.values())) > 0


def test_what_is_told_of_a_row_does_not_depend_on_who_else_was_drawn(tmp_path: Path, small) -> None:
    """The past of a row is that of the whole log."""
    records = world()
    whole, part = (
        sampled(Snapshot.write(records, tmp_path / f"{hold}"), hold=hold, seed=0)
        for hold in (10**6, 120)
    )
    assert whole.beyond is not None
    assert part.beyond is not None
    assert whole.beyond.columns.usual.keys() == part.beyond.columns.usual.keys()
    same = replace(part.beyond.columns, usual=whole.columns.usual)
    again = part.beyond.seen_by(replace(whole.columns, usual=same.usual), part)
    rows = np.searchsorted(np.sort(whole.beyond.sampled), part.beyond.sampled)
    order = np.argsort(whole.beyond.sampled)
    np.testing.assert_array_equal(again.inputs.numbers, whole.inputs.numbers[order[rows]])


@quiet
def test_a_log_larger_than_memory_may_hold_trains_and_leaves_no_files(tmp_path: Path) -> None:
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), logs(400)) as store:
        version = train(store, replace(QUICK, hold=150), workers=0)
        assert store.aliases()["champion"] == version.id
        assert version.metrics["attempts"] < 250
        again = train(store, replace(QUICK, hold=150, seed=1), workers=0)
        assert "champion" in store.promotions()[0].reason
        assert again.training == 2
        assert not list((store.folder).glob("trainings/*"))


@quiet
def test_methods_that_need_the_whole_log_in_memory_say_so(tmp_path: Path, monkeypatch) -> None:
    class Any(Method):
        def steering(self, scene):
            raise NotImplementedError

    monkeypatch.setattr("learner.training.settings.method_named", lambda *_: Any())
    settings = replace(QUICK, hold=150, methods={"any": {}})
    with (
        filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), logs(400)) as store,
        pytest.raises(InvalidInput, match="leave the methods out"),
    ):
        train(store, settings, workers=0)
