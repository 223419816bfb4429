"""One round after the other on a store: sources, drift, training, promotion, rolling back."""

import getpass
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from logged_worlds import attempt, logs
from typer.testing import CliRunner

from benchmarks.looping import quick
from learner import approval, judging
from learner.approval import APPROVE, PROMOTION, REFUSE
from learner.loop import LOOP, PROMOTE, RETRAIN, ROLL_BACK, LoopSettings, turn
from learner.training.settings import TrainingSettings
from scheduler.cli import build
from scheduler.commands import making
from scheduler.door import Door
from scheduler.errors import InvalidInput
from scheduler.governor import policy_in_force
from scheduler.records import TaskRecord
from scheduler.store import Store
from scheduler.store.values import Drift, ModelVersion

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Change = Callable[[TaskRecord], TaskRecord]


def train(store: Store, settings: TrainingSettings) -> ModelVersion:
    return quick.train(store, settings, now=NOW, refit=False)


SETTINGS = LoopSettings(first=200, more=300, least=100, train=train)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/allot.db") as opened:
        yield opened


def add(store: Store, records: Sequence[TaskRecord], source: str) -> None:
    store.add_records([(each.key(), each) for each in records], source)


def learned_store(store: Store) -> Store:
    """With 300 records of two sources, learned from."""
    world = logs(300)
    add(store, world[::2], "monday")
    add(store, world[1::2], "tuesday")
    turn(store, NOW, SETTINGS)
    assert "champion" in store.aliases()
    return store


def slower(records: Sequence[TaskRecord], factor: float, worker: str) -> list[TaskRecord]:
    return [
        replace(each, duration=each.duration * factor)
        if each.worker == worker and each.duration
        else each
        for each in records
    ]


def test_an_empty_store_has_nothing_to_do(store: Store) -> None:
    assert turn(store, NOW, SETTINGS) == ()


def test_enough_records_make_a_first_champion(store: Store) -> None:
    add(store, logs(150), "monday")
    assert turn(store, NOW, SETTINGS) == ()
    add(store, logs(250, seed=1), "tuesday")
    (told,) = turn(store, NOW, SETTINGS)
    assert "champion" in told
    audited = [(each.action, each.by) for each in store.audits()]
    assert audited == [("train", LOOP), ("promote", "learner")]
    assert store.audits()[0].details["words"] in told
    assert turn(store, NOW, SETTINGS) == ()


def test_a_few_new_records_are_no_reason_to_learn_again(store: Store) -> None:
    learned_store(store)
    add(store, logs(360)[300:], "wednesday")
    assert turn(store, NOW, SETTINGS) == ()


def test_a_worker_that_slows_down_is_noted_and_settled_once_it_is_learned(store: Store) -> None:
    learned_store(store)
    first = store.aliases()["champion"]
    add(store, slower(logs(750)[300:], 2.5, "beta"), "wednesday")
    told = turn(store, NOW, replace(SETTINGS, more=10_000))
    assert any("drift: duration of every kind on beta" in each for each in told)
    assert any("1 open drifts" in each for each in told)
    assert store.aliases()["champion"] != first
    assert [each.state for each in store.drifts()] == ["learned"]


def test_a_drift_is_noted_once(store: Store) -> None:
    learned_store(store)
    add(store, slower(logs(750)[300:], 2.5, "beta"), "wednesday")
    patient = replace(SETTINGS, more=10_000, least=10_000)
    turn(store, NOW, patient)
    assert len(store.drifts(state="open")) == 1
    add(store, slower(logs(760)[750:], 2.5, "beta"), "thursday")
    assert turn(store, NOW, patient) == ()
    assert len(store.drifts()) == 1


def test_a_source_that_contradicts_the_others_is_put_on_hold_and_not_learned_from(
    store: Store,
) -> None:
    learned_store(store)
    world = logs(700)[300:]
    good = [each for i, each in enumerate(world) if i % 10]
    bad = [
        replace(each, duration=(each.duration or 0) * 10)
        for i, each in enumerate(world)
        if not i % 10
    ]
    add(store, good, "wednesday")
    add(store, bad, "evil")
    told = turn(store, NOW, SETTINGS)
    assert any(each.startswith("evil is on hold") for each in told)
    states = {each.name: each.state for each in store.sources()}
    assert states == {"monday": "new", "tuesday": "new", "wednesday": "new", "evil": "on hold"}
    assert store.record_count(trusted=True) == 300 + len(good)
    (audited,) = store.audits(subject="evil")
    assert (audited.action, audited.by) == ("hold", LOOP)
    assert told[0] == f"evil is on hold: {audited.reason}"


def test_a_source_that_a_person_trusts_is_not_put_on_hold(store: Store) -> None:
    learned_store(store)
    world = logs(600)[300:]
    add(store, world[::2], "wednesday")
    add(store, [replace(each, duration=(each.duration or 0) * 10) for each in world[1::2]], "odd")
    store.judge_source("odd", state="trusted", reason="a new clock", by="ada", at=NOW)
    assert not any("on hold" in each for each in turn(store, NOW, SETTINGS))


def test_nobody_can_put_what_allot_saw_itself_on_hold(store: Store) -> None:
    add(store, logs(30), "run 7")
    (own,) = store.sources()
    assert own.name == ""
    with pytest.raises(InvalidInput, match="always trusted"):
        store.judge_source("", state="on hold", reason="no", by="ada", at=NOW)


def test_a_file_called_like_a_run_is_no_run(store: Store) -> None:
    add(store, logs(30), "run 7")
    store.note_ingest(
        file="run 7", format="jsonl", read=30, accepted=30, duplicates=0, quarantined=0, at=NOW
    )
    assert [each.name for each in store.sources()] == ["run 7"]


def test_a_champion_that_does_worse_than_the_one_before_is_rolled_back(store: Store) -> None:
    learned_store(store)
    good = store.aliases()["champion"]
    later = logs(400)[300:]
    bad = [replace(each, duration=(each.duration or 1) * 3) for each in store.records()]
    examples = judging.Examples.of(bad)
    spoilt = quick.learned(examples)
    training = store.begin_training(
        sharing="hard", workers=0, settings={"through": store.newest_record()}, at=NOW
    )
    version = quick.kept(store, spoilt, spoilt, examples, training=training, now=NOW)
    store.promote(version.id, reason="by hand", by="ada", at=NOW)
    add(store, later, "run 1")
    told = turn(store, NOW, SETTINGS)
    assert store.aliases()["champion"] == good
    assert any("is champion again" in each for each in told)
    assert store.promotions()[0].alias == "refused"
    done = [(each.action, each.subject, each.by) for each in store.audits(limit=2)]
    assert done == [("refuse promotion", version.id, LOOP), ("roll back", good, LOOP)]
    assert "does worse" in store.audits()[0].reason


def test_a_good_champion_stays(store: Store) -> None:
    learned_store(store)
    world = logs(800)
    add(store, world[300:700], "wednesday")
    store.ask(RETRAIN, {"reason": "because"}, by="ada", at=NOW)
    turn(store, NOW, SETTINGS)
    champion = store.aliases()["champion"]
    add(store, world[700:], "run 1")
    turn(store, NOW, SETTINGS)
    assert store.aliases()["champion"] == champion


def test_who_asks_for_a_retraining_is_answered(store: Store) -> None:
    learned_store(store)
    number = store.ask(RETRAIN, {"reason": "new machines"}, by="ada", at=NOW)
    assert any("asked by ada" in each for each in turn(store, NOW, SETTINGS))
    (request,) = [each for each in store.requests() if each.id == number]
    assert request.state == "done"


def test_who_asks_for_a_promotion_or_a_way_back_is_answered(store: Store) -> None:
    learned_store(store)
    champion = store.aliases()["champion"]
    store.ask(PROMOTE, {"version": champion, "reason": "sure"}, by="ada", at=NOW)
    store.ask(ROLL_BACK, {"reason": "not sure"}, by="bob", at=NOW + timedelta(seconds=1))
    turn(store, NOW, SETTINGS)
    assert [each.state for each in reversed(store.requests())] == ["done", "refused"]
    refused = store.audits(limit=1)[0]
    assert (refused.action, refused.by) == ("rollback refused", LOOP)
    assert "bob" in refused.reason


@pytest.mark.parametrize("answer", [APPROVE, REFUSE])
def test_where_people_must_approve_a_promotion_waits_for_them(
    store: Store, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(judging, "policy", lambda *_: ("promotions need approval",))
    add(store, logs(400), "monday")
    turn(store, NOW, SETTINGS)
    assert "champion" not in store.aliases()
    (question,) = store.questions(kind=PROMOTION)
    assert turn(store, NOW, SETTINGS) == ()
    store.decide(question.id, answer, by="ada", reason="looked at it", at=NOW)
    turn(store, NOW, SETTINGS)
    assert ("champion" in store.aliases()) is (answer == APPROVE)
    assert "challenger" not in store.aliases()
    assert approval.answered(store, at=NOW) == ()


def test_a_training_that_fails_is_told_and_the_loop_goes_on(store: Store) -> None:
    def broken(store: Store, settings: TrainingSettings) -> ModelVersion:
        raise InvalidInput("no")

    add(store, logs(400), "monday")
    store.ask(RETRAIN, {}, by="ada", at=NOW)
    (told,) = turn(store, NOW, replace(SETTINGS, train=broken))
    assert "training failed" in told
    assert store.requests()[0].state == "refused"


def test_a_size_that_tells_what_was_measured_later_is_a_leak() -> None:
    rng = np.random.default_rng(0)
    told = [
        replace(each, sizes={**each.sizes, "hint": (each.duration or 1.0) * 1000 * noise})
        for each, noise in zip(logs(300), np.exp(rng.normal(0, 0.02, 300)), strict=True)
    ]
    assert "'hint'" in str(judging.leaking(told))
    assert judging.leaking(logs(300)) is None


def test_what_the_loop_found_is_listed_and_sources_are_judged(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/allot.db"
    with Store.open(url) as store:
        add(store, logs(30), "monday")
        number = store.note_drift(
            Drift("duration", "", "beta", 1.5, 80, 6.2, "v1", since=NOW, found=NOW)
        )
    assert allot("drift", url)["drifts"][0]["worker"] == "beta"
    assert allot("drift", url, "--acknowledge", str(number))["drifts"] == []
    assert allot("drift", url, "--all")["drifts"][0]["state"] == "acknowledged"
    assert allot("drift", url)["champion"] is None
    shown = CliRunner().invoke(build(), ["drift", "--store", url]).output
    assert "there is no champion" in " ".join(shown.split())
    assert allot("sources", url)["sources"][0]["state"] == "new"
    allot("sources hold", url, "monday", "--reason", "a broken clock")
    assert allot("sources", url)["sources"][0]["reason"] == "a broken clock"
    allot("sources trust", url, "monday", "--reason", "mended")
    audits = allot("audit", url)["audits"]
    assert [(each["action"], each["subject"], each["reason"]) for each in audits] == [
        ("trust", "monday", "mended"),
        ("hold", "monday", "a broken clock"),
        ("acknowledge drift", f"drift {number}", ""),
    ]
    assert {each["by"] for each in audits} == {getpass.getuser()}
    assert allot("sources", url)["sources"][0]["state"] == "trusted"
    assert allot("learn", url) == {"done": [], "champion": None, "open_drifts": 0}


def test_a_policy_that_is_written_is_in_force_before_anything_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "allot.toml").write_text("[policy.approve]\npromotion = true\n")
    url = f"sqlite:///{tmp_path / 'allot.db'}"
    monkeypatch.chdir(tmp_path)
    allot("learn", url)
    with Store.open(url) as store:
        assert policy_in_force(store) == {"approve": {"promotion": True}}
    (tmp_path / "allot.toml").write_text("")
    with Store.open(url) as store:
        making.governor(Door.open(store=url), store)
        assert policy_in_force(store), "who writes none does not lift it"


def allot(command: str, url: str, *words: str) -> Any:
    """The document that a command prints."""
    asked = [*command.split(), *words, "--store", url, "--json"]
    done = CliRunner().invoke(build(), asked)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_attempts_are_named_by_run_task_and_number() -> None:
    record = attempt(3, "sort", "alpha", 1.0, rng=np.random.default_rng(0))
    assert judging.attempt_of(record) == (record.run, record.task, record.attempt)
