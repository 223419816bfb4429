"""`allot questions`, `approve`, `refuse`, `audit`, ...: what people decide, and who did what."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from scheduler.door import Door, Json, StoreUrl
from scheduler.processes import user

Number = Annotated[int, typer.Argument(metavar="QUESTION", help="The question's number.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]


def register(app: typer.Typer) -> None:
    """Adds the commands by which people decide."""
    for command in (questions, approve, refuse, decide, audit, owners):
        app.command()(command)


def questions(
    all_: Annotated[bool, typer.Option("--all", help="Those that are answered, too.")] = False,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Show what waits for people."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        found = opened.questions(state=None if all_ else "open", limit=None)
    table = Table("question", "run", "about", "why", "answers", "state", "asked (UTC)")
    for each in found:
        table.add_row(
            str(each.id),
            "" if each.run is None else str(each.run),
            f"{each.kind}: {each.subject}",
            "; ".join(each.reasons),
            ", ".join(each.answers),
            each.state if each.state == "open" else f"{each.state} by {each.by}",
            f"{each.at:%Y-%m-%d %H:%M:%S}",
        )
    document = {"questions": [asdict(each) | {"answers": each.answers} for each in found]}
    door.answer(document, table if found else "Nothing waits for people.")


def approve(
    question: Number, reason: Reason = "", store: StoreUrl = None, json: Json = False
) -> None:
    """Approve what was asked: it goes on."""
    _decide(question, "approve", reason, Door.open(json=json, store=store))


def refuse(
    question: Number, reason: Reason = "", store: StoreUrl = None, json: Json = False
) -> None:
    """Refuse what was asked: it is cancelled."""
    _decide(question, "refuse", reason, Door.open(json=json, store=store))


def decide(
    question: Number,
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="One of its answers.")],
    reason: Reason = "",
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Answer a question that has answers of its own."""
    _decide(question, answer, reason, Door.open(json=json, store=store))


def _decide(question: int, answer: str, reason: str, door: Door) -> None:
    from scheduler.governor import decide

    by = user()
    with door.store() as opened:
        found = decide(opened, question, answer, by=by, reason=reason, at=door.now())
    document = {"question": question, "state": found.state, "by": by, "run": found.run}
    door.answer(
        document, f"Question {question} ({found.kind}: {found.subject}): {answer}, by {by}."
    )


def audit(
    run: Annotated[int | None, typer.Option("--run", help="Of this run alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 50,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Show who did what, to what, and why; newest first."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        found = opened.audits(subject=None if run is None else f"run {run}", limit=limit)
        if run is not None and not found:
            opened.run(run, now=door.now())  # refuses one that there is not
    table = Table("at (UTC)", "by", "did", "to", "what came of it", "reason")
    for each in found:
        what = str(each.details.get("words", ""))
        at = f"{each.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(at, each.by, each.action, each.subject, what, each.reason)
    door.answer(
        {"audits": [asdict(each) for each in found]}, table if found else "Nothing was done yet."
    )


def owners(
    days: Annotated[
        float, typer.Option("--days", min=0, max=36500, help="Runs begun so long ago.")
    ] = 7.0,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Show what each owner had of the workers, and how long their tasks waited."""
    from scheduler.documents import workflow_from
    from scheduler.fairness import owner_uses

    door = Door.open(json=json, store=store)
    now = door.now()
    since = now - timedelta(days=days)
    with door.store() as opened:
        runs = [each.id for each in opened.runs(now=now, limit=None) if each.started >= since]
        uses = owner_uses(
            (workflow_from(opened.run_documents(run)[0]), opened.run_attempts(run)) for run in runs
        )
    table = Table("owner", "core-seconds", "share", "tasks", "mean wait")
    for each in uses:
        seconds, waiting = f"{each.core_seconds:.1f}", f"{each.waiting:.2f} s"
        table.add_row(
            each.owner or "(nobody)", seconds, f"{each.share:.0%}", str(each.tasks), waiting
        )
    door.answer(
        {"runs": len(runs), "owners": [asdict(each) for each in uses]},
        table if uses else "No task has run.",
    )
