"""Whether promotions need an approval is what the policy in force says."""

from datetime import UTC, datetime
from pathlib import Path

from learner.approval import policy
from learner.judging import settle
from learner.promotion import PROMOTED, UNDECIDED, Decision
from scheduler.governor import keep_policy
from scheduler.store import Store
from scheduler.store.values import ModelVersion

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_people_are_asked_of_promotions_while_the_policy_says_so(tmp_path: Path) -> None:
    version, decision = ModelVersion("v", "hard", NOON, "0" * 64, None, {}), Decision(True, ())
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as store:
        assert policy(store, version, decision) == ()
        keep_policy(store, {"approve": {"promotion": True}}, by="ann", at=NOON)
        assert policy(store, version, decision) == ("the policy wants every promotion approved",)
        keep_policy(store, {}, by="ann", at=NOON)
        assert policy(store, version, decision) == ()


def test_nobody_is_asked_any_more_of_a_version_in_whose_place_another_is_challenger(
    tmp_path: Path,
) -> None:
    old, new = (ModelVersion(name, "hard", NOON, "0" * 64, None, {}) for name in ("old", "new"))
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as store:
        keep_policy(store, {"approve": {"promotion": True}}, by="ann", at=NOON)
        store.add_version(old)
        settle(store, old, Decision(True, ("better",), PROMOTED), NOON)
        assert [each.subject for each in store.questions(state="open")] == ["old"]
        store.add_version(new)
        settle(store, new, Decision(False, ("not yet sure",), UNDECIDED), NOON)
        (question,) = store.questions()
        assert (question.state, question.reason) == ("refuse", "new is challenger in its place")
