"""What a round of the loop looks at: the records of a store, with what versions say of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learner.drift import Drifted, drifts
from learner.examples import Examples, Split, in_order, split_by_time
from learner.judging import attempt_of, compared, learned_through, settle, unproven
from learner.promotion import PROMOTED, UNDECIDED, Decision, weigh
from learner.registry import Registry
from learner.residuals import seen_by, seen_by_history
from learner.sources import Suspicion, suspicions
from scheduler.records import TaskRecord
from scheduler.store import Store
from scheduler.store.records import ON_HOLD
from scheduler.store.values import Drift, ModelVersion

LOOP = "loop"  # who does what the loop does
Ints = NDArray[np.int64]
NEWEST = 20_000  # records that one round looks at
FEWEST = 50  # records after a promotion, or after a challenger, that judge it


@dataclass(frozen=True)
class Arrived:
    """A record with the number and the source under which it came."""

    number: int
    source: str
    record: TaskRecord


class Look:
    """The newest records of a store, oldest first, each read once in a round."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.registry = Registry(store.folder)

    @cached_property
    def arrived(self) -> list[Arrived]:
        """The newest by arrival, in the order of time."""
        after = max(self.store.newest_record() - NEWEST, 0)
        return [Arrived(*each) for each in self.store.sourced_records(after=after)]

    @cached_property
    def names(self) -> dict[str, str]:
        """The source to which each name under which records came belongs: own runs are one."""
        known = {each.name for each in self.store.sources()}
        return {each.source: each.source if each.source in known else "" for each in self.arrived}

    def trusted(self) -> list[Arrived]:
        """Without those of sources on hold."""
        judged = self.store.judged_sources()
        held = {name for name, state in judged.items() if state == ON_HOLD}
        return [each for each in self.arrived if each.source not in held]

    def champion(self) -> ModelVersion | None:
        """The version in use; None as long as nothing was promoted."""
        return self.store.version("champion") if "champion" in self.store.aliases() else None

    def suspicions(self) -> tuple[Suspicion, ...]:
        """Sources on which nobody has decided, and that contradict the others."""
        sources = self.store.sources()
        ask = {each.name for each in sources if each.state == "new" and each.name}
        version = self.champion()
        if version is not None:
            through = learned_through(self.store, version)
            newest = {self.names[each.source] for each in self.arrived if each.number > through}
            ask &= newest
        if not ask or len(self.arrived) < FEWEST:
            return ()
        records = [each.record for each in self.arrived]
        seen = (
            seen_by_history(records)
            if version is None
            else seen_by(self.registry.load(version, judged=True), records)
        )
        source = np.array([self.names[each.source] for each in self.arrived], dtype=str)
        held = {each.name for each in sources if each.state == ON_HOLD}
        return suspicions(seen, records, source, ask=ask, without=held)

    def new_drifts(self, now: datetime) -> Iterator[Drift]:
        """Drifts from the champion's forecasts that are not in the store yet."""
        version = self.champion()
        if version is None:
            return
        known = {
            (each.target, each.kind, each.worker, each.since)
            for each in self.store.drifts()
            if each.version == version.id
        }
        for each in self._drifts(version):
            since, found = each.since or now, each.found or now
            if (each.target, each.kind, each.worker, since) not in known:
                yield Drift(
                    target=each.target,
                    kind=each.kind,
                    worker=each.worker,
                    effect=each.effect,
                    records=each.records,
                    evidence=each.evidence,
                    version=version.id,
                    since=since,
                    found=found,
                )

    def _drifts(self, version: ModelVersion) -> tuple[Drifted, ...]:
        """The reference is what was held out of the champion's training."""
        through = learned_through(self.store, version)
        trusted = self.trusted()
        before = in_order([each.record for each in trusted if each.number <= through])
        after = [each.record for each in trusted if each.number > through]
        if not after or not before:
            return ()
        split = split_by_time(before)
        held_out = np.concatenate([split.validation, split.test])
        reference = seen_by(self.registry.load(version, judged=True), before).take(held_out)
        new = seen_by(self.registry.load(version), [*before, *after])
        return drifts(reference, new.take(slice(len(before), None)))


def worse_than_before(look: Look) -> Decision | None:
    """Why the previous version is surely better than the champion; None where it is not.

    By the forecasts of what came after the champion had learned, which neither of them knew.
    """
    aliases = look.store.aliases()
    if "previous" not in aliases or "champion" not in aliases:
        return None
    champion, previous = (look.store.version(name) for name in ("champion", "previous"))
    through = max(learned_through(look.store, each) for each in (champion, previous))
    examples, rows = _after(look, through)
    if len(rows) < FEWEST:
        return None
    now, before = (look.registry.load(each) for each in (champion, previous))
    decision = weigh(compared(before, now, examples, rows, planning=False))
    return decision if decision.verdict == PROMOTED else None


def challenger(look: Look, now: datetime) -> Iterator[str]:
    """Judges a challenger that was not yet decided again, when enough has ended since."""
    aliases = look.store.aliases()
    if "challenger" not in aliases or "champion" not in aliases:
        return
    version, champion = (look.store.version(name) for name in ("challenger", "champion"))
    if any(each.subject == version.id for each in look.store.questions(state="open", limit=None)):
        return
    through = max(learned_through(look.store, each) for each in (version, champion))
    examples, rows = _after(look, through)
    if len(rows) < FEWEST:
        return
    mine, theirs = (look.registry.load(each) for each in (version, champion))
    decision = weigh(compared(mine, theirs, examples, rows))
    if decision.verdict == UNDECIDED:
        return
    settle(look.store, version, decision, now, by=LOOP)
    yield f"challenger {version.id} is {decision.verdict}: {decision}"


def _after(look: Look, through: int) -> tuple[Examples, Ints]:
    """All trusted records, and the places of those that arrived later and are proven."""
    trusted = look.trusted()
    records = [each.record for each in trusted]
    without = unproven(look.store)
    rows = [
        i
        for i, each in enumerate(trusted)
        if each.number > through and attempt_of(each.record) not in without
    ]
    every = np.arange(len(records))
    examples = Examples.of(records, split=Split(every, every[:0], np.array(rows, dtype=np.int64)))
    return examples, np.array(rows, dtype=np.int64)
