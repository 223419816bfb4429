"""Allocations of memory: ladders against brute force, beliefs against worlds we know."""

from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.errors import Infeasible, InvalidInput
from scheduler.records import Outcome, TaskRecord
from scheduler.sizing import InheritedSizes, Ladder, MemorySizing, Terms, Told
from scheduler.sizing.beliefs import (
    FORECAST,
    KINSHIP,
    LEVEL,
    Belief,
    Past,
    with_tail,
)
from scheduler.sizing.inheritance import USUAL
from scheduler.sizing.kinship import grouped, lineage
from scheduler.sizing.ladder import cheapest, expected_wastage, wastage

GB = 1e9


def expected(
    allocations: tuple[float, ...], memory: list[float], terms: Terms, held: float = 0.0
) -> float:
    """The cost of a ladder over equally likely peaks: what is left, and what misses waste."""
    total = 0.0
    for peak in memory:
        *missed, last = Ladder(allocations, growth=terms.growth).attempts(peak)
        lost = sum(max(each, held) for each in missed)
        total += last - peak + (terms.time_to_failure + terms.retry_price) * lost
    return total


def by_trial(memory: list[float], terms: Terms, held: float) -> float:
    """The least expected wastage of all ladders that end at the largest peak."""
    peaks = sorted(set(memory))
    below = peaks[:-1]
    return min(
        expected((*chosen, peaks[-1]), memory, terms, held)
        for count in range(len(below) + 1)
        for chosen in combinations(below, count)
    )


few_peaks = st.lists(st.floats(1.0, 100.0), min_size=2, max_size=6)
prices = st.builds(Terms, time_to_failure=st.floats(0.1, 1.0), retry_price=st.floats(0.0, 2.0))


@given(memory=few_peaks, terms=prices, held=st.floats(0.0, 300.0))
@settings(max_examples=300, deadline=None)
def test_the_cheapest_ladder_is_as_cheap_as_the_best_of_all_ladders(
    memory: list[float], terms: Terms, held: float
) -> None:
    found = cheapest(np.sort(memory)[None], np.ones((1, len(memory))), terms, held=held)[0]
    assert expected(found, memory, terms, held) <= by_trial(memory, terms, held) * (1 + 1e-9)


@given(memory=few_peaks, terms=prices, dearer=st.floats(1.1, 9.0))
@settings(max_examples=100, deadline=None)
def test_the_more_a_miss_holds_the_fewer_there_are(
    memory: list[float], terms: Terms, dearer: float
) -> None:
    def misses(held: float) -> int:
        ladder = cheapest(np.sort(memory)[None], np.ones((1, len(memory))), terms, held=held)[0]
        return sum(len(Ladder(ladder).attempts(peak)) - 1 for peak in memory)

    assert misses(max(memory) * dearer) <= misses(max(memory))


@given(memory=st.lists(st.floats(1.0, 100.0), min_size=1, max_size=20), terms=prices)
@settings(max_examples=100, deadline=None)
def test_what_a_ladder_wastes_on_many_peaks_is_what_it_wastes_on_each(
    memory: list[float], terms: Terms
) -> None:
    given_, peaks = tuple(sorted({*memory[::3], max(memory)})), np.sort(memory)
    each = [wastage(Ladder(given_).attempts(peak), peak, terms) for peak in peaks.tolist()]
    assert expected_wastage(given_, peaks, terms) == pytest.approx(each)


def test_a_rare_large_peak_is_left_to_a_retry() -> None:
    memory = np.array([[1.0] * 99 + [100.0]])
    assert cheapest(memory, np.ones((1, 100)), Terms())[0] == (1.0, 100.0)


def test_a_common_large_peak_is_allocated_at_once() -> None:
    memory = np.array([[9.0] * 50 + [10.0] * 50])
    assert cheapest(memory, np.ones((1, 100)), Terms())[0] == (10.0,)


def test_a_dearer_retry_asks_for_more_memory_at_once() -> None:
    memory = np.array([np.linspace(1, 2, 40) ** 4])
    cheap, dear = (
        cheapest(memory, np.ones((1, 40)), Terms(retry_price=price))[0][0] for price in (0.0, 3.0)
    )
    assert dear > cheap


def test_attempts_follow_the_ladder_and_then_grow() -> None:
    assert Ladder((1.0, 3.0)).attempts(11.0) == (1.0, 3.0, 6.0, 12.0)


def test_wastage_is_all_of_a_miss_and_what_a_success_left() -> None:
    assert wastage((4.0, 8.0), 5.0, Terms()) == 4.0 + 3.0
    assert wastage((4.0, 8.0), 5.0, Terms(time_to_failure=0.5)) == 2.0 + 3.0


def test_no_attempt_gets_more_than_the_limit() -> None:
    ladder = Ladder((4.0, 6.0, 12.0)).within(10.0)
    assert ladder.attempts(9.5) == (4.0, 6.0, 10.0)
    assert ladder.after(10.0) is None


def test_a_peak_above_the_limit_is_refused_with_both_figures() -> None:
    with pytest.raises(Infeasible, match=r"needs 11 GB.*more than 10 GB"):
        Ladder((4.0 * GB,)).within(10 * GB).attempts(11 * GB)


@pytest.mark.parametrize("wrong", [(), (2.0, 1.0), (1.0, 1.0), (0.0,), (float("nan"),)])
def test_a_ladder_that_does_not_rise_is_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="Ladder"):
        Ladder(wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"time_to_failure": 0.0}, {"time_to_failure": 1.5}, {"growth": 1.0}, {"retry_price": -1.0}],
)
def test_terms_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="Terms"):
        Terms(**wrong)


def seen(kind: str, memory: list[float], sizing: MemorySizing | None = None) -> MemorySizing:
    sizing = sizing or MemorySizing()
    for peak in memory:
        sizing.observe(kind, memory=peak, duration=60.0)
    return sizing


def test_a_kind_never_seen_gets_its_request() -> None:
    assert MemorySizing().allocate("new", request=7.0).first == 7.0


def test_a_kind_never_seen_gets_the_largest_peak_of_all_kinds_without_a_request() -> None:
    assert seen("other", [1.0, 5.0, 3.0]).allocate("new", limit=9.0).first == 5.0


def test_nothing_known_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput, match="give a request or a limit"):
        MemorySizing().allocate("new")


def test_a_request_above_the_limit_gets_the_limit() -> None:
    assert MemorySizing().allocate("new", request=7.0, limit=4.0).first == 4.0


def test_few_observations_get_a_margin_that_other_kinds_teach() -> None:
    steady, wild = seen("steady", [1.0] * 9), seen("wild", [1.0, 1, 1, 1, 2])
    given = [seen("few", [8.0], each).allocate("few").first for each in (steady, wild)]
    assert given == [8.0, 16.0]


def test_a_kind_that_always_needs_the_same_gets_hardly_more() -> None:
    chance = np.random.default_rng(1)
    sizing = seen("same", [41 * GB * (1 + 1e-4 * x) for x in chance.normal(size=40)])
    assert 41 * GB < sizing.allocate("same").first < 41 * GB * 1.002


def test_sizes_are_used_where_they_tell() -> None:
    chance, sizing = np.random.default_rng(2), MemorySizing()
    for size in np.exp(chance.uniform(15, 20, 60)):
        sizing.observe("scales", memory=50 * size, duration=9.0, sizes={"read": size})
    small, large = (sizing.allocate("scales", sizes={"read": s}).first for s in (1e7, 1e8))
    assert 50e7 * 0.9 < small < 50e7 * 1.3
    assert 50e8 * 0.9 < large < 50e8 * 1.3


def test_sizes_that_tell_nothing_cost_little() -> None:
    chance, plain, sized = np.random.default_rng(3), MemorySizing(), MemorySizing()
    wasted = {"plain": 0.0, "sized": 0.0}
    for peak in GB * np.exp(0.2 * chance.normal(size=250)):
        sizes = {"read": float(np.exp(chance.uniform(10, 20)))}
        for name, sizing, known in (("plain", plain, {}), ("sized", sized, sizes)):
            attempts = sizing.allocate("noise", sizes=known, request=4 * GB).attempts(peak)
            wasted[name] += wastage(attempts, peak, Terms())
            sizing.observe("noise", memory=peak, duration=60.0, sizes=known)
    assert wasted["sized"] < 1.1 * wasted["plain"]


def test_a_task_without_its_size_is_sized_by_its_kind() -> None:
    sizing = MemorySizing()
    for size in range(1, 31):
        sizing.observe("scales", memory=size * GB, duration=9.0, sizes={"read": size * 1e6})
    assert sizing.allocate("scales").first > 15 * GB


def test_a_size_first_told_later_is_learned_from_then_on() -> None:
    sizing = seen("late", [GB] * 10)
    for size in range(1, 31):
        sizing.observe("late", memory=size * GB, duration=9.0, sizes={"read": size * 1e6})
    few, many = (sizing.allocate("late", sizes={"read": s * 1e6}).first for s in (3, 25))
    assert few < 6 * GB < 25 * GB * 0.9 < many


def test_weights_of_beliefs_sum_to_one_and_prefer_the_one_that_wasted_least() -> None:
    sizing = MemorySizing()
    for size in range(1, 41):
        sizing.observe("scales", memory=size * GB, duration=9.0, sizes={"read": size * 1e6})
    weights = sizing.weights("scales")
    assert sum(weights.values()) == pytest.approx(1.0)
    assert max(weights, key=lambda each: weights[each]) is not LEVEL


def of_groups(needs: dict[str, float], *, spread: float = 0.02) -> MemorySizing:
    """Thirty subjects each, whose names begin with the group."""
    chance, sizing = np.random.default_rng(4), MemorySizing()
    for i in range(30):
        for group, need in needs.items():
            memory = need * float(np.exp(spread * chance.normal()))
            sizing.observe("sum", memory=memory, duration=9.0, subject=f"{group}-{i}")
    return sizing


def test_subjects_whose_names_begin_alike_get_what_their_group_needs() -> None:
    sizing = of_groups({"liver": GB, "brain": 4 * GB, "skin": 2 * GB})
    for group, need in {"liver": GB, "brain": 4 * GB, "skin": 2 * GB}.items():
        assert need < sizing.allocate("sum", subject=f"{group}-new").first < 1.2 * need


def test_a_subject_of_no_known_group_gets_what_the_kind_needs() -> None:
    sizing = of_groups({"liver": GB, "brain": 4 * GB})
    assert sizing.allocate("sum", subject="heart-1") == sizing.allocate("sum")


def test_names_that_tell_nothing_cost_little() -> None:
    chance, wasted = np.random.default_rng(5), {"named": 0.0, "plain": 0.0}
    named, plain = MemorySizing(), MemorySizing()
    for i, peak in enumerate(GB * np.exp(0.2 * chance.normal(size=250))):
        subject = f"group{i % 7}-{i}"
        if i >= 30:
            for name, each in (("named", named), ("plain", plain)):
                attempts = each.allocate("k", subject=subject).attempts(float(peak))
                wasted[name] += wastage(attempts, float(peak), Terms())
        named.observe("k", memory=float(peak), duration=9.0, subject=subject)
        plain.observe("k", memory=float(peak), duration=9.0)
    assert wasted["named"] < 1.06 * wasted["plain"]


def test_the_effect_of_a_group_is_the_best_linear_unbiased_one_of_a_balanced_layout() -> None:
    """Known there in closed form: one minus the ratio of the mean squares, times the apartness."""
    groups, size = 6, 5
    chance = np.random.default_rng(6)
    logs = chance.normal(size=(groups, 1)) + 0.7 * chance.normal(size=(groups, size))
    within = logs.var(axis=1, ddof=1).mean()
    between = size * logs.mean(axis=1).var(ddof=1)
    best = (1 - within / between) * (logs[2].mean() - logs.mean())
    codes = np.repeat(np.arange(groups), size)
    past = Past(
        np.exp(logs.ravel()),
        np.ones(groups * size),
        np.full(groups * size, np.nan),
        np.nan,
        (np.append(codes, 2),),
    )
    moved, _ = KINSHIP.points(past)
    shrunk = size * (within / between) / (1 - within / between)
    others = logs - logs.mean()
    part = (others.sum(1, keepdims=True) - others) / (size - 1 + shrunk)
    assert np.log(moved) == pytest.approx((logs - part).ravel() + best)


def test_groups_of_one_or_all_in_one_move_nothing() -> None:
    memory = np.arange(1.0, 7)
    for codes in (np.zeros(7, np.int64), np.array([0, 1, 2, 3, 4, 5, 0])):
        past = Past(memory, np.ones(6), np.full(6, np.nan), np.nan, (codes,))
        assert KINSHIP.points(past)[0] == pytest.approx(memory)


def test_a_lineage_is_the_leading_parts_without_those_of_the_kind() -> None:
    name = "NF:SORT (liver_03.rep2-x) [ab/12]"
    assert lineage(name, "NF:SORT") == ("liver", "liver 03", "liver 03 rep2")
    assert lineage(None, "NF:SORT") == ()


def test_groups_are_those_that_share_all_parts_up_to_a_level() -> None:
    seen_before = [("a", "a 1"), ("a", "a 2"), ("b", "b 1"), ()]
    first, second = grouped(seen_before, ("a", "a 1"))
    assert (first[:-1] == first[-1]).tolist() == [True, True, False, False]
    assert (second[:-1] == second[-1]).tolist() == [True, False, False, False]
    assert grouped(seen_before, ("c", "c 1")) == ()


def test_what_is_told_has_the_quantiles_that_were_told() -> None:
    normal = NormalDist()
    levels = (0.1, 0.5, 0.9)
    told = Told(levels, tuple(float(np.exp(1 + 0.3 * normal.inv_cdf(p))) for p in levels))
    memory, weight = told.points(1001)
    reached = np.cumsum(weight)
    assert reached[-1] == pytest.approx(1.0)
    assert np.log(np.interp(levels, reached, memory)) == pytest.approx(
        [1 + 0.3 * normal.inv_cdf(p) for p in levels], abs=0.02
    )


def test_beyond_the_levels_that_are_told_more_is_likely_than_of_a_normal() -> None:
    """Student's t with four degrees of freedom is 1.5332 at 90 % and 3.7469 at 99 %.

    A hundredth is added to what is told of the spread.
    """
    memory, weight = Told((0.1, 0.5, 0.9), (1.0, np.e, np.e**2)).points(4001)
    found = np.log(np.interp(0.99, np.cumsum(weight), memory))
    assert found == pytest.approx(1 + 3.7469 * (1 / 1.5332 + 0.01), abs=0.01)


def test_what_is_told_without_any_spread_gets_some() -> None:
    first = MemorySizing().allocate("new", told=Told((0.1, 0.5, 0.9), (GB, GB, GB)), held=10 * GB)
    assert 1.01 * GB < first.first < 1.1 * GB


def test_a_kind_never_seen_gets_what_is_told() -> None:
    first = MemorySizing().allocate("new", told=Told((0.1, 0.5, 0.9), (GB, 2 * GB, 3 * GB))).first
    assert 2 * GB < first < 6 * GB


def test_a_few_that_were_seen_are_never_undercut_by_what_is_told() -> None:
    told = Told((0.1, 0.5, 0.9), (1.0, 2.0, 3.0))
    assert seen("few", [8.0, 9.0]).allocate("few", told=told).first >= 9.0


def told_of(peak: float, error: float) -> Told:
    levels, middle = (0.1, 0.5, 0.9), peak * float(np.exp(error))
    return Told(levels, tuple(middle * float(np.exp(0.05 * z)) for z in (-1.28, 0, 1.28)))


@pytest.mark.parametrize(("right", "trusted"), [(True, True), (False, False)])
def test_a_forecast_counts_as_much_as_it_was_found_to_be_right(right: bool, trusted: bool) -> None:
    chance, sizing = np.random.default_rng(7), MemorySizing()
    for peak in GB * np.exp(0.5 * chance.normal(size=60)):
        error = 0.05 * chance.normal() if right else chance.normal()
        sizing.observe("k", memory=float(peak), duration=9.0, told=told_of(float(peak), error))
    assert (sizing.weights("k")[FORECAST] > 0.9) is trusted
    assert (sizing.weights("k")[FORECAST] < 0.1) is not trusted


def test_a_forecast_that_falls_silent_is_judged_as_the_plain_level_meanwhile() -> None:
    sizing = seen("k", [GB, 2 * GB, 3 * GB, GB, 2 * GB])
    sizing.observe("k", memory=2 * GB, duration=9.0, told=told_of(2 * GB, 0.0))
    before = sizing.weights("k")
    seen("k", [3 * GB, GB] * 10, sizing)
    after = sizing.weights("k")
    assert after[FORECAST] / after[LEVEL] == pytest.approx(before[FORECAST] / before[LEVEL])


def test_a_line_through_few_leads_nowhere_that_nobody_has_seen() -> None:
    sizing = MemorySizing()
    for size, peak in ((0, 1e3), (0, 1e3), (0, 1e3), (3, 1e3), (20, 3e10), (None, 1e3)):
        known = {} if size is None else {"read": float(size)}
        sizing.observe("k", memory=peak, duration=1.0, sizes=known)
    assert sizing.allocate("k", sizes={"read": 1e6}).allocations[-1] < 1e14


def test_the_past_beyond_what_is_kept_is_forgotten() -> None:
    sizing = seen("moved", [8 * GB] * 30, MemorySizing(keep=20))
    assert seen("moved", [GB] * 20, sizing).allocate("moved").first < 1.1 * GB


def test_only_attempts_that_succeeded_and_were_measured_are_learned_from() -> None:
    def record(outcome: Outcome, memory: float | None) -> TaskRecord:
        return TaskRecord(
            run="r", task="t", kind="k", outcome=outcome, duration=2.0, peak_memory=memory
        )

    sizing = MemorySizing()
    sizing.learn(
        [
            record(Outcome.SUCCEEDED, 4.0),
            record(Outcome.FAILED, 9.0),
            record(Outcome.SUCCEEDED, None),
        ]
    )
    assert sizing.allocate("k").first == pytest.approx(4.0 * 1.1)


@given(
    peaks=st.lists(st.floats(1e3, 1e12), min_size=1, max_size=25),
    sizes=st.lists(st.none() | st.floats(0, 1e12), min_size=25, max_size=25),
)
@settings(max_examples=40, deadline=None)
def test_every_ladder_holds_any_peak_and_is_the_same_for_the_same_past(
    peaks: list[float], sizes: list[float | None]
) -> None:
    ladders = []
    for _ in range(2):
        sizing = MemorySizing()
        for peak, size in zip(peaks, sizes, strict=False):
            known = {} if size is None else {"read": size}
            sizing.observe("any", memory=peak, duration=1.0, sizes=known)
        ladders.append(sizing.allocate("any", sizes={"read": 1e6}))
    assert ladders[0] == ladders[1]
    assert ladders[0].attempts(1e13)[-1] >= 1e13


@given(
    memory=st.lists(st.floats(1.0, 1e12), min_size=2, max_size=30),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=50, deadline=None)
def test_the_tail_weighs_one_observation_more_when_all_weigh_the_same(
    memory: list[float], seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permutation(memory)
    points, weight = with_tail(shuffled[None], np.ones((1, len(memory))))
    assert weight.sum() == pytest.approx(len(memory) + 1)
    assert (np.diff(points[0]) >= 0).all()


def test_a_line_moves_the_past_to_the_task() -> None:
    sizes = np.linspace(10, 20, 60)
    past = Past(np.exp(0.5 * sizes), np.ones(60), sizes, at=15.0)
    memory, _ = Belief("read", line=True).points(past)
    assert memory == pytest.approx(np.full(60, np.exp(7.5)), rel=0.01)


def test_a_near_level_weighs_what_is_of_the_same_size() -> None:
    past = Past(np.arange(1.0, 11), np.ones(10), np.arange(10.0), at=3.0)
    _, weight = Belief("read", width=0.2).points(past)
    assert weight.argmax() == 3
    assert weight.sum() < 1.2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"memory": 0.0, "duration": 1.0}, "memory must be above zero, found 0.0"),
        ({"memory": 1.0, "duration": -1.0}, "duration must be above zero, found -1.0"),
        ({"memory": 1.0, "duration": 1.0, "sizes": {"in": -2.0}}, "size 'in' must not be negative"),
        ({"memory": float("nan"), "duration": 1.0}, "memory must be a finite number"),
    ],
)
def test_an_impossible_observation_is_refused_with_its_value(
    wrong: dict[str, float], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        MemorySizing().observe("k", **wrong)  # type: ignore[arg-type]


def inherited() -> InheritedSizes:
    sizes = InheritedSizes()
    for subject, read in (("small", 1e6), ("large", 4e6)):
        sizes.observe("load", subject, read=read, ended=10.0)
    return sizes


def test_a_subject_whose_earlier_task_read_more_is_larger() -> None:
    small, large = (inherited().size("sum", each, submitted=20) for each in ("small", "large"))
    assert small == pytest.approx(USUAL / 2, rel=1e-3)
    assert large == pytest.approx(USUAL * 2, rel=1e-3)


def test_a_task_inherits_nothing_from_what_has_not_ended() -> None:
    assert inherited().size("sum", "large", submitted=9.9) is None


def test_a_task_inherits_nothing_from_its_own_kind_or_another_subject() -> None:
    assert inherited().size("load", "large", submitted=20) is None
    assert inherited().size("sum", "unheard of", submitted=20) is None
