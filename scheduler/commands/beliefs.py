"""Which predictor a door uses: the champion where there is one, history otherwise."""

from collections.abc import Callable
from typing import cast

from scheduler.discover import plugged
from scheduler.errors import NotFound
from scheduler.predictors.base import Predictor
from scheduler.predictors.history import HistoryPredictor
from scheduler.store import Store

GROUP = "scheduler.predictors"
Offer = Callable[[Store], Predictor | None]


def choose(store: Store, name: str | None = None) -> Predictor:
    """The predictor of that name: `history`, or one that an installed room offers.

    Without a name the first offer that has something to say is taken, and history when none has.
    Raises NotFound for an unknown name, and for one that has learned nothing yet.
    """
    if name == "history":
        return HistoryPredictor.learn(store.records())
    offers = {each: cast("Offer", offer) for each, offer in plugged(GROUP).items()}
    if name is not None and name not in offers:
        raise NotFound(
            f"There is no predictor named {name!r}; known: history, {', '.join(offers)}."
        )
    for each, offer in offers.items():
        if name in (None, each) and (predictor := offer(store)) is not None:
            return predictor
    if name is not None:
        raise NotFound(f"The predictor {name!r} has learned nothing yet; run: allot train")
    return HistoryPredictor.learn(store.records())
