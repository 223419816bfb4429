"""Which predictor a door uses: the champion where there is one, history otherwise."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection
from datetime import datetime
from typing import cast

from scheduler.discover import plugged
from scheduler.errors import NotFound
from scheduler.predictors.base import Predictor
from scheduler.predictors.history import HistoryPredictor
from scheduler.records import TaskRecord
from scheduler.sizing import MemorySizing, Telling, Told
from scheduler.store import Store

GROUP = "scheduler.predictors"
LATEST_OF_KIND = 60  # attempts that sizing learns from when a door opens: about 0.1 s a kind
LATEST_RUNS = 10  # whose forecasts are judged by what was then needed
Offer = Callable[[Store], Predictor | None]


def choose(store: Store, name: str | None = None) -> Predictor:
    """The predictor of that name: `history`, or one that an installed room offers.

    Without a name the first offer that has something to say is taken, and history when none has.
    Raises NotFound for an unknown name, and for one that has learned nothing yet.
    """
    if name == "history":
        return HistoryPredictor.learn(store.records(trusted=True))
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
    return HistoryPredictor.learn(store.records(trusted=True))


def sizing(store: Store, *, now: datetime, kinds: Collection[str] | None = None) -> MemorySizing:
    """The policy for memory, learned from the latest attempts of each of the kinds (all if None).

    What the latest runs were forecast to need is weighed against what they needed.
    """
    latest: dict[str, deque[TaskRecord]] = defaultdict(lambda: deque(maxlen=LATEST_OF_KIND))
    for record in store.records(trusted=True):
        if kinds is None or record.kind in kinds:
            latest[record.kind].append(record)
    learned, forecasts = MemorySizing(), _forecasts(store, now)

    def told(record: TaskRecord) -> Told | None:
        said = forecasts.get(record.run)
        return None if said is None else said.of(record.task, record.worker)

    for records in latest.values():
        learned.learn(records, told)
    return learned


def _forecasts(store: Store, now: datetime) -> dict[str, Telling]:
    return {
        f"{each.workflow} #{each.id}": Telling(store.run_forecast(each.id))
        for each in store.runs(now=now, limit=LATEST_RUNS)
    }
