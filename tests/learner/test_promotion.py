from learner.promotion import decide


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
