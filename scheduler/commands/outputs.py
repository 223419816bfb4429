"""`allot output`: what the attempts of a run have written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from scheduler.door import Door, Json, StoreUrl

if TYPE_CHECKING:
    from scheduler.store.outputs import AttemptOutput


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(output)


def output(
    run: Annotated[int, typer.Argument(metavar="RUN", help="The run's number.")],
    task: Annotated[
        str | None, typer.Argument(metavar="TASK", help="One of its tasks; without it all.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="Show the lines that contain these words only.")
    ] = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Show what the attempts of a run have written, with secrets masked."""
    from scheduler.errors import NotFound

    door = Door.open(json=json, store=store)
    with door.store() as opened:
        summary = opened.run(run, now=door.now())
        found = opened.outputs(summary.id, task=task, text=search)
        tasks = {each["id"] for each in opened.run_documents(run)[0]["tasks"]} if task else set()
    if task is not None and task not in tasks:
        raise NotFound(f"Run {run} has no task {task!r}; it has {len(tasks)} tasks.")
    document = {
        "run": run,
        "outputs": [
            {
                "task": each.task,
                "attempt": each.attempt,
                "stream": each.stream,
                "left_out": each.left_out,
                **({"lines": each.lines_with(search)} if search else {"text": each.text}),
            }
            for each in found
        ],
    }
    door.answer(document, _shown(found, search))


def _shown(found: "Sequence[AttemptOutput]", search: str | None) -> Text:
    if not found:
        return Text("Nothing was written." if search is None else "No line contains that.")
    told = Text()
    for each in found:
        told.append(f"{each.task} attempt {each.attempt} {each.stream}\n", style="bold")
        lines = each.lines_with(search) if search else [(0, each.text)]
        for number, line in lines:
            told.append(f"{number}: " if number else "")
            told.append(harmless(line).rstrip("\n") + "\n")
    return told


def harmless(text: str) -> str:
    """The text without what would steer a terminal; such letters are written as their codes."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text
    )
