"""`allot cancel`, `pause`, `resume`, ...: ask something of a run while it goes on."""

from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scheduler.door import Door, Json, StoreUrl
from scheduler.processes import user

if TYPE_CHECKING:
    from scheduler.store import Store
    from scheduler.store.values import Request

Run = Annotated[int, typer.Argument(metavar="RUN", help="The run's number.")]
SomeTask = Annotated[str | None, typer.Argument(metavar="[TASK]", help="All of them without it.")]
OneTask = Annotated[str, typer.Argument(metavar="TASK")]
OneWorker = Annotated[str, typer.Argument(metavar="WORKER")]
SomeWorker = Annotated[str | None, typer.Option("--worker", help="This worker, not the whole run.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait until the run has taken it up.")
]
LOOK = 0.1  # seconds between two looks at the answer


def register(app: typer.Typer) -> None:
    """Adds the commands that steer a run."""
    for command in (cancel, pause, resume, retry, reassign, override, priority, workers):
        app.command()(command)


def cancel(
    run: Run, task: SomeTask = None, reason: Reason = "", wait: Wait = 5.0,
    store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """End a task, or the whole run; what runs of it is stopped."""
    _ask(run, "cancel", reason, wait, Door.open(json=json, store=store), tasks=_one(task))


def pause(
    run: Run, worker: SomeWorker = None, reason: Reason = "", wait: Wait = 5.0,
    store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """Begin nothing more, in the run or on one worker; what runs goes on to its end."""
    action = "pause" if worker is None else "drain"
    _ask(run, action, reason, wait, Door.open(json=json, store=store), worker=worker or "")


def resume(
    run: Run, worker: SomeWorker = None, reason: Reason = "", wait: Wait = 5.0,
    store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """Let a run, or a worker, go on that was paused."""
    _ask(run, "resume", reason, wait, Door.open(json=json, store=store), worker=worker or "")


def retry(
    run: Run, task: SomeTask = None, reason: Reason = "", wait: Wait = 5.0,
    store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """Try a task again that was given up or is unknown, and what waits for it."""
    _ask(run, "retry", reason, wait, Door.open(json=json, store=store), tasks=_one(task))


def reassign(
    run: Run, task: OneTask, worker: OneWorker, reason: Reason = "", wait: Wait = 5.0,
    store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """Have a task run on this worker and no other; later plans learn from it."""
    door = Door.open(json=json, store=store)
    _ask(run, "reassign", reason, wait, door, tasks=(task,), worker=worker)


def override(
    run: Run, task: OneTask, worker: OneWorker,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept and learned from.")],
    wait: Wait = 5.0, store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """Reassign a task, with a reason: what the plan chose is wrong."""
    door = Door.open(json=json, store=store)
    _ask(run, "reassign", reason, wait, door, tasks=(task,), worker=worker)


def priority(
    run: Run,
    number: Annotated[int, typer.Argument(metavar="PRIORITY", help="Higher is more urgent.")],
    task: SomeTask = None, reason: Reason = "", wait: Wait = 5.0,
    store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """Give a task, or all tasks of a run, another priority."""
    door = Door.open(json=json, store=store)
    _ask(run, "priority", reason, wait, door, tasks=_one(task), priority=number)


def workers(
    run: Run,
    add: Annotated[
        Path | None, typer.Option("--add", help="A worker's JSON, as in a cluster.")
    ] = None,
    change: Annotated[
        Path | None, typer.Option("--change", help="A worker of the run with other amounts.")
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", help="A worker: its attempts start again elsewhere.")
    ] = None,
    reason: Reason = "", wait: Wait = 5.0, store: StoreUrl = None, json: Json = False,
) -> None:  # fmt: skip
    """Add a worker to a run, change it, or take it away."""
    from scheduler.documents import cluster_document, read_worker

    door = Door.open(json=json, store=store)
    given = [each for each in (add, change, remove) if each is not None]
    if len(given) != 1:
        raise typer.BadParameter("name one of --add FILE, --change FILE and --remove WORKER")
    if remove is not None:
        _ask(run, "remove", reason, wait, door, worker=remove)
        return
    file = add or change
    assert file is not None
    (document,) = cluster_document(read_worker(file))["workers"]
    action = "add" if add else "change"
    _ask(run, action, reason, wait, door, worker=document["name"], document=document)


def _one(task: str | None) -> tuple[str, ...]:
    return () if task is None else (task,)


def _ask(run: int, action: str, reason: str, wait: float, door: Door, **asked: Any) -> None:
    """Writes the request down, waits for the run to take it up, and tells what it said."""
    from scheduler.asked import ask_of_run

    with door.store() as opened:
        by = user()
        number = ask_of_run(opened, run, action, by=by, at=door.now(), reason=reason, **asked)
        state = opened.run(run, now=door.now()).state
        found = _answered(opened, number, wait)
    document = {"request": number, "run": run, "state": found.state, "answer": found.answer}
    if found.state == "open":
        words = f"Request {number} is kept; it is not carried out yet ({state})."
    else:
        words = f"Run {run}, request {number} {found.state}: {found.answer}."
    door.answer(document, words)
    if found.state == "refused":
        raise typer.Exit(1)


def _answered(store: "Store", number: int, wait: float) -> "Request":
    until = monotonic() + wait
    while True:
        found = store.request(number)
        assert found is not None
        if found.state != "open" or monotonic() >= until:
            return found
        sleep(LOOK)
