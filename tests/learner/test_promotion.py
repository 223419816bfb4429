import numpy as np
import pytest

from learner.promotion import PROMOTED, REFUSED, UNDECIDED, Compared, decide, weigh

RUNS, EACH = 12, 20


def scores(duration: float, memory: float, failure: float = 0.1) -> dict:
    found = {"duration": duration, "memory": memory, "failure": failure}
    return {
        name: {"error": error, "baseline_error": 1.0, "rows": 9} for name, error in found.items()
    }


def test_the_first_version_must_beat_the_naive_baseline() -> None:
    assert decide(scores(0.5, 0.9)).promote
    assert not decide(scores(1.5, 0.9)).promote


def test_a_better_challenger_replaces_the_champion_and_says_by_how_much() -> None:
    decision = decide(scores(0.2, 0.2), scores(0.4, 0.2))
    assert decision.promote
    assert "duration: 49.9% less error than the champion" in decision.reasons


def test_a_worse_challenger_does_not() -> None:
    assert not decide(scores(0.4, 0.2), scores(0.2, 0.2)).promote


def test_an_equal_challenger_does_not() -> None:
    assert not decide(scores(0.2, 0.2), scores(0.2, 0.2)).promote


def test_no_target_may_pay_for_the_others() -> None:
    decision = decide(scores(0.2, 0.3), scores(0.4, 0.2))
    assert not decision.promote
    assert "more than 5% worse on memory" in decision.reasons


def test_errors_that_nobody_notices_decide_nothing() -> None:
    assert not decide(scores(0.2, 0.2, failure=1e-15), scores(0.2, 0.2, failure=1e-9)).promote


def test_what_nobody_can_tell_is_not_promoted() -> None:
    nothing = {"duration": {"error": None, "baseline_error": None, "rows": 0}}
    decision = decide(nothing)
    assert not decision.promote
    assert "no held-out attempt" in str(decision)


def compared(*, mine: float, theirs: float, runs: int = RUNS, seed: int = 0) -> Compared:
    """Losses of two targets on attempts of some runs; both versions meet the same noise."""
    rng = np.random.default_rng(seed)
    noise = rng.exponential(1.0, (runs * EACH, 1))
    own = rng.normal(0, 0.05, (runs * EACH, 2))
    losses = np.abs(np.array([[mine, theirs]]) * noise + own * noise)
    return Compared(
        losses={"duration": losses, "memory": losses.copy()},
        run=np.array([f"run-{i // EACH}" for i in range(runs * EACH)]),
        kind=np.array([f"kind-{i % 4}" for i in range(runs * EACH)]),
    )


def spoilt(found: Compared, rows: np.ndarray, target: str, times: float) -> Compared:
    losses = found.losses[target].copy()
    losses[rows, 0] *= times
    return Compared({**found.losses, target: losses}, found.run, found.kind, found.regrets)


def test_what_is_surely_better_is_promoted() -> None:
    decision = weigh(compared(mine=0.8, theirs=1.0))
    assert decision.promote
    assert decision.verdict == PROMOTED
    assert "in 100% of draws" in decision.reasons[0]


def test_what_is_surely_worse_is_refused() -> None:
    assert weigh(compared(mine=1.2, theirs=1.0)).verdict == REFUSED


def test_what_few_attempts_tell_by_chance_is_not_decided() -> None:
    found = [weigh(compared(mine=0.999, theirs=1.0, runs=3, seed=i)).verdict for i in range(10)]
    assert UNDECIDED in found
    assert found.count(PROMOTED) <= 2


def test_attempts_of_one_run_are_not_many_witnesses() -> None:
    """One run in which all went well for the challenger, and three in which it did not."""
    found = compared(mine=1.03, theirs=1.0, runs=4)
    lucky = spoilt(found, np.arange(EACH), "duration", 0.1)
    assert not weigh(lucky).promote


def test_the_only_run_is_no_certainty_where_its_kinds_disagree() -> None:
    """Better on one kind of four, a little worse on the others: so in some draws, not in all."""
    found = compared(mine=1.03, theirs=1.0, runs=1)
    lucky = spoilt(found, np.flatnonzero(found.kind == "kind-1"), "duration", 0.3)
    decision = weigh(lucky)
    assert "in 100% of draws" not in decision.reasons[0]
    assert decision.verdict == UNDECIDED


@pytest.mark.parametrize(("theirs", "verdict"), [(0.1, PROMOTED), (0.4, REFUSED)])
def test_a_seventh_more_error_keeps_out_where_somebody_would_notice_it(
    theirs: float, verdict: str
) -> None:
    found = compared(mine=0.8, theirs=1.0)
    cores = np.full((RUNS * EACH, 2), [theirs * 8 / 7, theirs])
    told = Compared({**found.losses, "cpu": cores}, found.run, found.kind)
    assert weigh(told).verdict == verdict


def test_no_single_target_may_pay() -> None:
    worse = spoilt(compared(mine=0.5, theirs=1.0), np.arange(RUNS * EACH), "memory", 2.4)
    decision = weigh(worse)
    assert decision.verdict == REFUSED
    assert "more than 5% worse on memory" in decision.reasons


def test_no_single_kind_may_pay() -> None:
    rows = np.flatnonzero(np.arange(RUNS * EACH) % 4 == 2)
    decision = weigh(spoilt(compared(mine=0.8, theirs=1.0), rows, "duration", 1.7))
    assert decision.verdict == REFUSED
    assert "duration of kind-2" in str(decision)


def test_no_single_kind_on_a_worker_may_pay() -> None:
    found = compared(mine=0.8, theirs=1.0)
    worker = np.array([f"worker-{i // 4 % 5}" for i in range(RUNS * EACH)])
    rows = np.flatnonzero((found.kind == "kind-2") & (worker == "worker-3"))
    spoiled = spoilt(found, rows, "duration", 2.5)
    alone = Compared(spoiled.losses, found.run, found.kind, found.regrets, worker)
    assert weigh(spoiled).verdict == PROMOTED
    assert "duration of kind-2 on worker-3" in str(weigh(alone))
    assert weigh(alone).verdict == REFUSED


def test_plans_that_take_longer_in_the_simulator_keep_a_version_out() -> None:
    found = compared(mine=0.8, theirs=1.0)
    regrets = np.column_stack([np.linspace(0.1, 0.2, 10), np.linspace(0.0, 0.1, 10)])
    decision = weigh(Compared(found.losses, found.run, found.kind, regrets))
    assert decision.verdict == REFUSED
    assert "regret 15.0%" in str(decision)


@pytest.mark.parametrize("target", ["duration", "memory"])
def test_a_target_that_nobody_observed_is_left_out(target: str) -> None:
    found = compared(mine=0.8, theirs=1.0)
    unknown = np.full_like(found.losses[target], np.nan)
    assert weigh(Compared({**found.losses, target: unknown}, found.run, found.kind)).promote


def test_where_nothing_was_observed_nothing_is_decided() -> None:
    found = compared(mine=0.8, theirs=1.0)
    nothing = {name: np.full_like(each, np.nan) for name, each in found.losses.items()}
    assert weigh(Compared(nothing, found.run, found.kind)).verdict == UNDECIDED
