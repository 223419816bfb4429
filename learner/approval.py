"""Whether people must approve of a promotion, and what they answered."""

from contextlib import suppress
from datetime import datetime

from learner.promotion import Decision
from scheduler.errors import InvalidInput
from scheduler.governor import decide, policy_in_force
from scheduler.policy import policy_from
from scheduler.store import Store
from scheduler.store.values import ModelVersion

PROMOTION = "promotion"
APPROVE, REFUSE = "approve", "refuse"


def policy(
    store: Store,
    version: ModelVersion,  # noqa: ARG001  a policy looks at what it needs
    decision: Decision,  # noqa: ARG001
) -> tuple[str, ...]:
    """Why people must approve of this promotion; the gate is trusted where nothing says more."""
    if not policy_from(policy_in_force(store)).approvals.promotion:
        return ()
    return ("the policy wants every promotion approved",)


def put(store: Store, version: ModelVersion, *, why: tuple[str, ...], at: datetime) -> int:
    """Puts a promotion to people, once; returns the question's number."""
    for each in store.questions(kind=PROMOTION, state="open", limit=None):
        if each.subject == version.id:
            return each.id
    return store.put_question(PROMOTION, version.id, answers=(APPROVE, REFUSE), reasons=why, at=at)


def withdraw(store: Store, version: ModelVersion, *, by: str, at: datetime) -> None:
    """Answers what is asked of versions in whose place this one is challenger: nobody could."""
    for each in store.questions(kind=PROMOTION, state="open", limit=None):
        if each.subject != version.id:
            reason = f"{version.id} is challenger in its place"
            with suppress(InvalidInput):  # somebody has answered it just now
                decide(store, each.id, REFUSE, by=by, reason=reason, at=at)


def answered(store: Store, *, at: datetime) -> tuple[str, ...]:
    """Does what people answered, and says so; each answer counts once."""
    told, aliases = [], store.aliases()
    for each in store.questions(kind=PROMOTION, limit=None):
        if each.state not in (APPROVE, REFUSE) or aliases.get("challenger") != each.subject:
            continue
        act = store.promote if each.state == APPROVE else store.refuse
        words = "approved" if each.state == APPROVE else "refused"
        act(each.subject, reason=f"{words} by {each.by}: {each.reason}", by=each.by, at=at)
        told.append(f"{each.subject} was {words} by {each.by}: {each.reason}")
        aliases = store.aliases()
    return tuple(told)
