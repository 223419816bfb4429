"""Whether promotions need an approval is what the policy in force says."""

from datetime import UTC, datetime
from pathlib import Path

from learner.approval import policy
from learner.promotion import Decision
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
