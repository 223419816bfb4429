"""Acts of screens: who may, what is kept of it, and what the screen says afterwards."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from dashboard.acts import DONE, OPEN, REFUSED, Acting, NotAllowed, agent_care, come_of, run_care
from dashboard.people import ADMIN, OPERATOR, VIEWER, Person
from scheduler.errors import AllotError, InvalidInput
from scheduler.leases import this_holder
from scheduler.planning.planners.heft import Heft
from scheduler.store import Store
from tests.dashboard.filler import START, a_problem, begin

LATER = START + timedelta(seconds=5)
GONE = '{"boot": "another", "host": "another", "pid": 1, "started": "1"}'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a run of six tasks that goes on."""
    opened = Store.open(f"sqlite:///{tmp_path / 'allot.db'}")
    problem = a_problem(np.random.default_rng(3), 6)
    begin(opened, problem, Heft().plan(problem), label="planned", at=START)
    return opened


def acting(store: Store, role: str = OPERATOR) -> Acting:
    return Acting(store, Person("ada", role), LATER)


def test_what_is_asked_of_a_run_is_the_request_that_the_command_writes(store: Store) -> None:
    deed = acting(store).steer(1, "cancel", tasks=("a",), reason="wrong input")
    asked = store.waiting_requests("control")[0]
    assert (deed.state, deed.request, deed.words) == (OPEN, asked.id, "cancel a, run 1")
    assert asked.by == "ada"
    assert asked.payload == {
        "run": 1, "action": "cancel", "tasks": ["a"], "reason": "wrong input"
    }  # fmt: skip


@pytest.mark.parametrize(
    "act",
    [
        lambda who: who.steer(1, "cancel"),
        lambda who: who.decide(1, "approve"),
        lambda who: who.again(1),
        lambda who: who.withdraw(1),
        lambda who: who.ask("retrain", {}, subject="the champion", words="retrain"),
        lambda who: who.do("hold", "w1", lambda: None, words="held"),
        lambda who: who.do("promote", "v1", lambda: None, words="promoted", role=ADMIN),
    ],
)
def test_a_viewer_can_do_nothing_and_leaves_no_trace(store: Store, act) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotAllowed, match=r"operator|admin"):
        act(acting(store, VIEWER))
    assert not store.requests()
    assert not store.audits()


def test_what_is_for_admins_is_refused_to_operators_before_it_is_done(store: Store) -> None:
    done: list[int] = []
    with pytest.raises(NotAllowed, match="admin"):
        acting(store).do("promote", "v1", lambda: done.append(1), words="promoted", role=ADMIN)
    assert not done


def test_what_is_done_at_once_is_audited_with_who_why_and_the_words(store: Store) -> None:
    deed = acting(store, ADMIN).do("promote", "v1", lambda: None, words="promoted", reason="best")
    kept = store.audits()[0]
    assert deed.state == DONE
    assert (kept.action, kept.subject, kept.by, kept.reason) == ("promote", "v1", "ada", "best")
    assert kept.details["words"] == "promoted"


def test_what_fails_is_not_audited(store: Store) -> None:
    def fails() -> None:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        acting(store).do("hold", "w1", fails, words="held")
    assert not store.audits()


def test_nothing_can_be_asked_of_a_run_that_is_over(store: Store) -> None:
    store.end_run(1, state="succeeded", makespan=1.0, message="", at=LATER)
    with pytest.raises(AllotError, match="has ended"):
        acting(store).steer(1, "pause")


def test_an_answer_is_told_once_somebody_has_given_it(store: Store) -> None:
    deed = acting(store).steer(1, "pause")
    assert come_of(store, deed) == deed
    assert deed.request is not None
    store.answer(deed.request, state=REFUSED, answer="the run is paused already", at=LATER)
    told = come_of(store, deed)
    assert (told.state, told.words) == (REFUSED, "pause, run 1: the run is paused already")


def test_a_question_is_answered_once_and_audited(store: Store) -> None:
    number = store.put_question(
        "plan", "the plan", answers=("approve", "refuse"), reasons=["it costs 70"], at=START, run=1
    )
    deed = acting(store).decide(number, "approve", reason="budget is there")
    assert deed.words == "Question 1 (plan: the plan): approve"
    assert [(each.action, each.subject) for each in store.audits()] == [("approve", "run 1")]
    with pytest.raises(InvalidInput, match="answered before"):
        acting(store).decide(number, "refuse")


def test_who_may_not_promote_may_not_answer_whether_to(store: Store) -> None:
    number = store.put_question(
        "promotion", "cgc-3", answers=("approve", "refuse"), reasons=["policy"], at=START
    )
    with pytest.raises(NotAllowed, match="admin"):
        acting(store).decide(number, "approve")
    assert store.question(number).state == "open"
    acting(store, ADMIN).decide(number, "approve")
    assert store.question(number).state == "approve"


def test_a_run_is_left_to_the_agent_again_with_its_own_documents(store: Store) -> None:
    acting(store).again(1, reason="the disk was full")
    (asked,) = store.waiting_requests("run")
    assert asked.payload["workflow"] == store.run_documents(1)[0]
    assert asked.payload["cluster"] == store.run_documents(1)[1]
    assert asked.payload["token"] != store.run_how(1)[0]
    assert store.audits()[0].reason == "the disk was full"


def test_a_request_is_withdrawn_as_long_as_nobody_has_taken_it_up(store: Store) -> None:
    deed = acting(store).again(1)
    assert deed.request is not None
    acting(store).withdraw(deed.request, reason="twice")
    assert come_of(store, deed).state == REFUSED
    with pytest.raises(InvalidInput, match="withdrawn by ada: twice"):
        acting(store).withdraw(deed.request)


def test_without_an_agent_the_screen_names_the_command_that_starts_one(store: Store) -> None:
    care = agent_care(store, LATER)
    assert (care.there, care.command) == (False, "allot agent")
    assert "No agent serves this store." in run_care(store, 1, LATER).words


def test_an_agent_that_lives_takes_up_what_is_asked(store: Store) -> None:
    store.take_lease("agent", this_holder(), seen=None, at=LATER)
    assert agent_care(store, LATER).there
    assert run_care(store, 1, LATER).there


def test_an_agent_that_is_silent_is_told_with_how_long(store: Store) -> None:
    store.take_lease("agent", GONE, seen=None, at=START)
    care = agent_care(store, START + timedelta(minutes=2))
    assert not care.there
    assert "last heard of 120 s ago" in care.words
