"""What people do about networks, drifts, sources, trainings and refused lines; no streamlit here.

As in `acts`, each is checked against the role of whoever acts; what the store does not audit by
itself is audited.
"""

from collections.abc import Collection
from zoneinfo import ZoneInfo

from dashboard.acts import DONE, OPEN, PROMOTION, Acting, Deed
from dashboard.people import ADMIN, OPERATOR
from dashboard.uploads import Upload, take
from scheduler.errors import InvalidInput
from scheduler.mending import read_again
from scheduler.numbers import counted
from scheduler.store.networks import files_of
from scheduler.store.trainings import ask_to_stop, delete_training

APPROVE, REFUSE = "approve", "refuse"  # answers to the question about a promotion
RETRAIN = "retrain"


def promote(who: Acting, version: str, reason: str) -> Deed:
    """Makes a version champion, whose files are those that were registered."""
    who.demand(ADMIN)
    files_of(who.store.folder, who.store.version(version))
    _settle(who, version, APPROVE, reason)
    who.store.promote(version, reason=_said(reason), by=who.who.name, at=who.at)
    return Deed(DONE, f"{version} is champion now")


def refuse(who: Acting, version: str, reason: str) -> Deed:
    """Says that a version does not become champion."""
    who.demand(ADMIN)
    _settle(who, version, REFUSE, reason)
    who.store.refuse(version, reason=_said(reason), by=who.who.name, at=who.at)
    return Deed(DONE, f"{version} is refused")


def roll_back(who: Acting, reason: str) -> Deed:
    """Gives the championship back to the version before, whose files must be whole."""
    who.demand(ADMIN)
    files_of(who.store.folder, who.store.version("previous"))
    version = who.store.roll_back(reason=_said(reason), by=who.who.name, at=who.at)
    return Deed(DONE, f"{version.id} is champion again")


def acknowledge(who: Acting, drifts: Collection[int], reason: str) -> Deed:
    """Says that drifts need nobody any more."""
    numbers = ", ".join(map(str, sorted(drifts)))
    return who.do(
        "acknowledge drift", f"drift {numbers}", reason=reason,
        words=f"Drift {numbers} is acknowledged",
        deed=lambda: who.store.settle_drifts(drifts, state="acknowledged"),
    )  # fmt: skip


def judge(who: Acting, source: str, state: str, reason: str) -> Deed:
    """Says whether a source of logs is trusted or on hold."""
    who.demand(ADMIN)
    who.store.judge_source(source, state=state, reason=_said(reason), by=who.who.name, at=who.at)
    return Deed(DONE, f"{source} is {state} now")


def retrain(who: Acting, reason: str) -> Deed:
    """Asks the learner for a training; there is one request at a time."""
    who.demand(OPERATOR)
    for each in who.store.requests(state=OPEN):
        if each.kind == RETRAIN:
            raise InvalidInput(f"A training was asked for already, by {each.by}.")
    return who.ask(
        RETRAIN, {"reason": reason}, subject="versions", words="train a network", reason=reason
    )


def stop(who: Acting, training: int, reason: str) -> Deed:
    """Asks a running training to end after its epoch."""
    return who.do(
        "stop training", f"training {training}", reason=reason,
        words=f"Training {training} is asked to end after its epoch",
        deed=lambda: ask_to_stop(who.store, training, by=who.who.name, at=who.at),
    )  # fmt: skip


def delete(who: Acting, training: int, reason: str) -> Deed:
    """Deletes a training that is over; what it saved stays."""
    return who.do(
        "delete training", f"training {training}", role=ADMIN, reason=reason,
        words=f"Training {training} is deleted",
        deed=lambda: delete_training(who.store, training, now=who.at),
    )  # fmt: skip


def bring_in(
    who: Acting, files: Collection[Upload], *, format: str | None, timezone: ZoneInfo
) -> Deed:
    """Takes uploaded logs in."""
    who.demand(OPERATOR)
    done = take(
        tuple(files), who.store, format=format, timezone=timezone, now=who.at, dry_run=False
    )
    words = (
        f"{counted(done.accepted, 'new record')}, {counted(done.duplicates, 'duplicate')}, "
        f"{counted(done.quarantined, 'line')} in quarantine"
    )
    names = ", ".join(each.file for each in done.files)[:500]
    return who.do("ingest", names, words=words, deed=lambda: None)


def mend(
    who: Acting, line: int, text: str, reason: str, *, timezone: ZoneInfo, header: str = ""
) -> Deed:
    """Takes a refused line in as it was mended."""
    who.demand(OPERATOR)
    found = who.store.refused_line(line)
    origin = who.store.origin(found.refused.file)
    record = read_again(found.refused, text, origin=origin, timezone=timezone, header=header)
    new = who.store.mend(line, record, text=text, by=who.who.name, reason=reason, at=who.at)
    what = "is taken in" if new else "is a record that was known already"
    return Deed(DONE, f"Line {found.refused.line} of {found.refused.file} {what}")


def put_aside(who: Acting, lines: Collection[int], reason: str) -> Deed:
    """Says that refused lines need nobody any more."""
    who.demand(OPERATOR)
    who.store.put_aside(lines, by=who.who.name, reason=reason, at=who.at)
    return Deed(DONE, f"{counted(len(lines), 'line')} put aside")


def _said(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("Say why: the reason is kept for those who ask later.")
    return reason.strip()


def _settle(who: Acting, version: str, answer: str, reason: str) -> None:
    """Answers the open question about a version, if there is one: the answer is the same."""
    _said(reason)
    for each in who.store.questions(kind=PROMOTION, state=OPEN):
        if each.subject == version:
            who.decide(each.id, answer, reason=reason)
