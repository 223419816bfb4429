"""What people do with trainings: ask a running one to stop, delete one that is over."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from scheduler.errors import InvalidInput
from scheduler.store.store import Store
from scheduler.store.values import Request, Training

STOP = "stop training"


def ask_to_stop(store: Store, training: int, *, by: str, at: datetime) -> int:
    """Asks a running training to end after its epoch; returns the request's id.

    Asked twice it is one request. Raises NotFound for a training that is not known, InvalidInput
    for one that does not run.
    """
    state = store.training(training, now=at).state
    if state != "running":
        raise InvalidInput(
            f"Training {training} cannot be stopped: it is {state}. Only a running one can."
        )
    asked = stop_asked(store, training)
    return asked.id if asked else store.ask(STOP, {"training": training}, by=by, at=at)


def stop_asked(store: Store, training: int) -> Request | None:
    """The open request to stop a training; None while nobody asks."""
    for request in store.waiting_requests(STOP):
        if request.payload.get("training") == training:
            return request
    return None


def answer_stop(
    store: Store, training: int, *, answer: str, at: datetime, state: str = "done"
) -> None:
    """Notes what came of the request to stop a training, where somebody asked."""
    if (asked := stop_asked(store, training)) is not None:
        store.answer(asked.id, state=state, answer=answer, at=at)


def delete_training(store: Store, training: int, *, now: datetime) -> None:
    """Deletes a training that is over, its numbers and its checkpoints; what it saved stays.

    Raises NotFound for a training that is not known, InvalidInput for one that runs.
    """
    if store.training(training, now=now).state == "running":
        raise InvalidInput(
            f"Training {training} cannot be deleted while it runs; stop it first: "
            f"allot stop-training {training}"
        )
    store.forget_training(training)
    for folder in (store.folder / "trainings").glob(f"{training}-*"):
        shutil.rmtree(folder)


def differing(chosen: Sequence[Training]) -> dict[str, list[Any]]:
    """The settings in which trainings differ, by name, the shape's own ones too: a value each."""
    flat = [_flat(each.settings) for each in chosen]
    names = sorted({name for each in flat for name in each} - {"through"})
    found = {name: [each.get(name) for each in flat] for name in names}
    return {name: values for name, values in found.items() if any(v != values[0] for v in values)}


def _flat(settings: Any, within: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{within}{name}.")
        else:
            found[within + name] = value
    return found
