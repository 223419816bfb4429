"""The agents of the demo do the same work, each in a way of its own."""

import bz2
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scheduler.discover import named
from scheduler.execution.place import Place
from scheduler.planning.feasibility import violations
from scheduler.planning.problem import Problem
from scheduler.workloads import office, realwork
from scheduler.workloads.probing import nothing_known, probe

LIBRARIES = ("numpy", "arrow", "stdlib")


def done(kind: str, library: str, **size: int) -> Any:
    place = Place("w", 1.0, 10**9, {"library": library})
    return getattr(realwork, kind)(place, **size, seed=3)


def counted(found: Any) -> Counter[str]:
    if isinstance(found, tuple):
        return Counter(dict(zip(found[0].tolist(), found[1].tolist(), strict=True)))
    if isinstance(found, pa.StructArray):
        return Counter({each["values"]: each["counts"] for each in found.to_pylist()})
    return Counter(found)


def by_customer(found: Any) -> list[float]:
    if isinstance(found, pa.Table):
        return found.sort_by("c")["a_sum"].to_pylist()
    return found.tolist() if isinstance(found, np.ndarray) else [each[1] for each in sorted(found)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_agent_loads_the_same_numbers(library: str) -> None:
    found = done("load", library, rows=1200)
    rows = len(found) + 1 if isinstance(found, pa.Table) else len(found)  # the first names columns
    assert rows == 1200


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_agent_parses_every_line(library: str) -> None:
    assert len(done("parse", library, rows=1200)) == 1200


def test_every_agent_finds_the_same_order() -> None:
    numbers = np.random.default_rng(3).random(5000)
    assert done("sort", "numpy", rows=5000).tolist() == done("sort", "stdlib", rows=5000)
    assert numbers[done("sort", "arrow", rows=5000).to_numpy()].tolist() == sorted(numbers.tolist())


def test_every_agent_finds_the_same_sums() -> None:
    sums = [by_customer(done("aggregate", each, rows=4000)) for each in LIBRARIES]
    np.testing.assert_allclose(sums[1:], [sums[0]] * 2)


def test_every_agent_counts_the_same_words() -> None:
    counts = [counted(done("count_words", each, size=40_000)) for each in LIBRARIES]
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("score", {"rows": 50}),
        ("multiply", {"side": 20}),
        ("route", {"nodes": 300}),
        ("sign", {"messages": 3}),
    ],
)
def test_both_numeric_agents_find_the_same_numbers(kind: str, size: dict[str, int]) -> None:
    one, other = (np.asarray(done(kind, each, **size)) for each in ("numpy", "stdlib"))
    if kind == "sign":
        assert one.tolist() == other.tolist()
    else:
        np.testing.assert_allclose(one, np.asarray(other, dtype=float))


def test_both_numeric_agents_soften_a_picture_alike_inside_its_edges() -> None:
    inside = done("blur", "numpy", side=30)[4:-4, 4:-4]
    np.testing.assert_allclose(inside, done("blur", "stdlib", side=30))


@pytest.mark.parametrize(
    ("library", "unpack"),
    [
        ("numpy", bz2.decompress),
        ("stdlib", zlib.decompress),
        ("arrow", lambda data: pa.decompress(data, 5000, codec="zstd", asbytes=True)),
    ],
)
def test_what_an_agent_packs_can_be_unpacked(
    library: str, unpack: Callable[[bytes], bytes]
) -> None:
    assert len(unpack(done("compress", library, size=5000))) == 5000


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_page_gets_one_fingerprint(library: str) -> None:
    assert len({str(each) for each in done("digest", library, size=4096 * 7)}) == 7


class FakeTime:
    """A core that is this attempt's alone; looking at its seconds takes a hundredth of one."""

    def __init__(self, *, worked: float, moment: float) -> None:
        self.worked, self.moment = worked, moment

    def work(self, seconds: float) -> None:
        self.worked += seconds
        self.moment += seconds

    def process_time(self) -> float:
        self.work(0.01)
        return self.worked

    def monotonic(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


def test_an_agent_without_a_way_says_which_there_are() -> None:
    with pytest.raises(LookupError, match="numpy, stdlib"):
        done("multiply", "arrow", side=3)


def test_an_agent_that_became_slower_finds_the_same_after_as_much_more_time_on_its_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeTime(worked=2.0, moment=102.0)
    monkeypatch.setattr(realwork, "time", clock)
    place = Place("w", 1.0, 10**9, {"library": "stdlib", "pace": str(1 / 3)})
    assert realwork.multiply(place, side=3, seed=3) == done("multiply", "stdlib", side=3)
    assert clock.worked == pytest.approx(6.0, abs=0.2)


@pytest.mark.parametrize(("pace", "takes"), [(1.0, 6.0), (1 / 3, 18.0)])
def test_an_agent_that_asks_services_waits_for_what_its_work_would_have_it_wait(
    monkeypatch: pytest.MonkeyPatch, pace: float, takes: float
) -> None:
    clock = FakeTime(worked=2.0, moment=102.0)
    monkeypatch.setattr(realwork, "time", clock)
    labels = {"library": "stdlib", "waits": "2", "pace": str(pace)}
    realwork.multiply(Place("w", 1.0, 10**9, labels), side=3, seed=3)
    assert clock.moment == pytest.approx(100.0 + takes, abs=0.2)
    assert clock.worked == pytest.approx(takes / 3, abs=0.2)


def test_who_became_slower_is_like_before_but_for_that() -> None:
    before, later = office.agents(), office.agents(pace={"columns": 0.5})
    labels = before.worker("columns").labels
    assert later.worker("columns").labels == {**labels, "pace": "0.5"}
    assert [each for each in later.workers if each not in before.workers] == [later.workers[1]]


def test_people_ask_for_the_memory_of_the_largest_task_of_a_kind() -> None:
    night = office.night("n", 24, np.random.default_rng(1), reach=1.25)
    asked = {each.kind: office.asked(each) for each in night.tasks}
    assert asked == {each.name: each.asked * 10**6 for each in office.KINDS}


def test_every_kind_of_the_office_has_an_action() -> None:
    actions = {each.name: getattr(realwork, each.name) for each in office.KINDS}
    assert named("sort", actions, "kind") is realwork.sort


def test_every_agent_has_a_way_for_every_kind_that_its_skills_allow() -> None:
    for kind in office.KINDS:
        for worker in office.agents().workers:
            if kind.skills <= worker.skills:
                found = done(
                    kind.name,
                    worker.labels["library"],
                    **{kind.size: 100 if kind.bytes > 1 else 9000},
                )
                assert found is not None


@pytest.mark.parametrize("seed", range(3))
def test_probing_turns_visit_every_worker_that_may_take_a_task(seed: int) -> None:
    night, cluster = office.night("n", 24, np.random.default_rng(seed)), office.agents()
    problem = Problem(night, cluster, nothing_known(night, cluster))
    turns = [probe(problem, turn) for turn in range(3)]
    for row, task in enumerate(night.tasks):
        visited = {turn.by_task[task.id].worker for turn in turns}
        able = {cluster.workers[column].name for column in np.flatnonzero(problem.eligible[row])}
        assert visited == able
    assert [violations(turn, problem) for turn in turns] == [()] * 3


def test_a_night_is_the_same_for_the_same_seed() -> None:
    nights = [office.night("n", 30, np.random.default_rng(5)) for _ in range(2)]
    assert nights[0] == nights[1]
