"""A saved version before the newest records of a store."""

from learner.examples import Examples, in_order, split_by_time
from learner.metrics import evaluate
from learner.registry import Registry
from learner.targets.base import Scores
from scheduler.errors import InvalidInput
from scheduler.store import Store
from scheduler.store.values import ModelVersion


def judge(store: Store, version: ModelVersion) -> dict[str, Scores]:
    """Scores by target on the held-out rows of the store as it is now.

    They are of the fit that was judged when the version was trained: the one in use has seen rows
    that are held out here.

    Raises InvalidInput for a store without records, CorruptVersion for changed files.
    """
    learned = Registry(store.folder).load(version, judged=True)
    records = in_order(list(store.records()))
    if not records:
        raise InvalidInput("There are no records to judge by; read logs with: allot ingest")
    examples = Examples.of(records, split=split_by_time(records), columns=learned.columns)
    return evaluate(learned, examples)
