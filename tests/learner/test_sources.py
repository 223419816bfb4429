"""A source that contradicts the others is named; one that tells what they tell is not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import logs

from benchmarks.looping.logs import ATTACKS, EVIL, LogWorld, poisoned
from learner.residuals import seen_by_history
from learner.sources import Suspicion, suspicions
from scheduler.records import TaskRecord

Change = Callable[[TaskRecord], TaskRecord]


def named(records: list[TaskRecord], source: list[str], **asked: object) -> list[Suspicion]:
    ask = asked.get("ask", set(source))
    assert isinstance(ask, set)
    names = np.array(source, dtype=str)
    return list(suspicions(seen_by_history(records), records, names, ask=ask))


def told(change: Change, every: int = 6) -> list[Suspicion]:
    """What is said of a source that tells every so manyth attempt, changed."""
    world = logs(600)
    source = ["odd" if i % every == 0 else f"site-{i // 50 % 3}" for i in range(600)]
    pairs = zip(world, source, strict=True)
    return named([change(each) if name == "odd" else each for each, name in pairs], source)


def test_who_tells_what_others_tell_is_not_suspected() -> None:
    assert told(lambda each: each) == []


def test_ten_times_the_duration_is_suspected_and_said() -> None:
    (found,) = told(lambda each: replace(each, duration=(each.duration or 0.0) * 10))
    assert found.source == "odd"
    assert "duration of every kind" in str(found)


def test_another_unit_is_suspected() -> None:
    (found,) = told(lambda each: replace(each, peak_memory=(each.peak_memory or 0.0) * 1024))
    assert "memory" in str(found)


def test_one_kind_on_one_worker_is_enough() -> None:
    def opened(each: TaskRecord) -> TaskRecord:
        return replace(each, kind="sort", worker="beta", duration=0.01)

    (found,) = told(opened)
    assert "0.0" in str(found)


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_each_attack_of_one_attempt_in_twenty_is_named_and_the_truth_is_not(attack: str) -> None:
    rng = np.random.default_rng(5)
    world = LogWorld.drawn(rng)
    both = [*world.logs(400, rng), *poisoned(world.logs(600, rng, first=400), 0.05, attack, rng)]
    found = named([record for _, record in both], [name for name, _ in both])
    assert [each.source for each in found] == ([] if attack == "none" else [EVIL])


def test_a_world_that_changes_for_all_is_nobodys_fault() -> None:
    world = logs(800)
    changed = [
        replace(each, duration=(each.duration or 0.0) * (4 if i >= 400 else 1))
        for i, each in enumerate(world)
    ]
    source = [f"day-{i // 400}-{i % 2}" for i in range(800)]
    assert named(changed, source) == []


def test_who_stands_alone_is_only_suspected_past_belief() -> None:
    world = logs(600)
    source = ["new" if i >= 450 else f"site-{i % 3}" for i in range(600)]

    def times(factor: float) -> list[Suspicion]:
        changed = [
            replace(each, duration=(each.duration or 0.0) * (factor if i >= 450 else 1))
            for i, each in enumerate(world)
        ]
        return named(changed, source)

    assert times(2.0) == []
    assert [each.source for each in times(60.0)] == ["new"]


def test_only_those_asked_about_are_named() -> None:
    world = logs(600)
    source = ["odd" if i % 12 == 0 else f"site-{i % 3}" for i in range(600)]
    changed = [
        replace(each, duration=(each.duration or 0.0) * 10) if name == "odd" else each
        for each, name in zip(world, source, strict=True)
    ]
    assert named(changed, source, ask={"site-0", "site-1"}) == []
