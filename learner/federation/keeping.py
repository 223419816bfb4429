"""A site whose records lie in a store, and that keeps what was learned there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from learner.examples import Examples
from learner.federation.site import Site
from learner.learned import Learned
from learner.metrics import evaluate
from learner.promotion import decide
from learner.registry import Registry
from learner.targets.base import Scores
from learner.threads import threads
from scheduler.errors import CorruptVersion, InvalidInput, NotFound
from scheduler.store import Store
from scheduler.store.values import ModelVersion


class StoreSite(Site):
    """Opens the store at a URL for as long as it reads or writes.

    When the federation is over, the network becomes a version of this store, and champion where it
    is better on the store's own newest records; what it tells is the version's id and whether.
    """

    def __init__(self, url: str, *, at: datetime, seed: int = 0, cores: int = 1) -> None:
        with Store.open(url) as store:
            records = list(store.records(trusted=True))
        if not records:
            raise InvalidInput("There are no records at this site; read logs with: allot ingest")
        self.url, self.at, self.cores = url, at, cores
        super().__init__(records, seed=seed)

    def answer(self, message: bytes) -> bytes:
        """What it says to one message, with no more threads than it may take."""
        with threads(self.cores):
            return super().answer(message)

    def kept(self) -> dict[str, Any]:
        """The version that it made: its id, and whether it is champion."""
        learned, examples, course = self.learned(), self.course.examples, self.course
        scores = evaluate(learned, examples)
        metrics = {"targets": scores, "attempts": len(examples)}
        facts = {"settings": course.settings.as_plain(), "federated": True, **metrics}
        with Store.open(self.url) as store:
            registry = Registry(store.folder)
            verdict = decide(scores, _champions_scores(store, registry, examples))
            sharing = course.settings.sharing
            name, sha256 = registry.save(f"federated-{sharing}", learned, facts)
            if all(each.id != name for each in store.versions()):
                store.add_version(ModelVersion(name, sharing, self.at, sha256, None, metrics))
            act = store.promote if verdict.promote else store.challenge
            act(name, reason=str(verdict), by="federation", at=self.at)
        return {"version": name, "champion": verdict.promote}


def _champions_scores(
    store: Store, registry: Registry, examples: Examples
) -> Mapping[str, Scores] | None:
    """On the same rows; None without a champion whose files can be trusted."""
    if "champion" not in store.aliases():
        return None
    try:
        rival: Learned = registry.load(store.version("champion"), judged=True)
    except (CorruptVersion, NotFound):
        return None
    seen = Examples.of(examples.records, split=examples.split, columns=rival.columns)
    return evaluate(rival, seen)
