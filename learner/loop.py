"""The loop: logs that arrive are looked at, learned from, and judged, again and again.

`turn` is one round. All that is known between rounds is in the store, so that any process may do
the next one; a process only remembers which stores it has just looked at, so that a round in which
nothing is new costs nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from learner.approval import PROMOTION, answered
from learner.looking import LOOP, Look, worse_than_before
from learner.looking import challenger as judged_again
from learner.training.settings import TrainingSettings
from scheduler.errors import AllotError, CorruptVersion, NotFound
from scheduler.store import Store
from scheduler.store.records import ON_HOLD
from scheduler.store.values import ModelVersion, Request

RETRAIN, PROMOTE, ROLL_BACK = "retrain", "promote", "rollback"
Train = Callable[[Store, TrainingSettings], ModelVersion]
_LOOKED_AT: dict[tuple[str, "LoopSettings"], tuple[object, ...]] = {}


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """When to learn again: `first` records for the first version, then `more` new ones, or the
    `share` of those learned from if that is more; after a drift `least` new ones suffice.

    `workers` processes train together on Ray at `address`, 0 in this one; `training` None trains
    as the champion was trained.
    """

    first: int = 200
    more: int = 500
    share: float = 0.2
    least: int = 100
    workers: int = 1
    address: str = "local"
    training: TrainingSettings | None = field(default=None, hash=False)
    train: Train | None = field(default=None, compare=False)


def turn(store: Store, now: datetime, settings: LoopSettings | None = None) -> tuple[str, ...]:
    """One round; returns what was done, in words.

    What people asked and answered, sources that contradict the others, drifts, a champion that is
    worse than the one before, a challenger that was not yet decided, and a training where there is
    reason for one. A step that cannot be done is told, and does not keep the others from theirs.
    """
    settings = settings or LoopSettings()
    place = (store.url, settings)
    if _LOOKED_AT.get(place) == _as_it_is(store, now):
        return ()
    told = tuple(_Round(store, now, settings).told())
    _LOOKED_AT[place] = _as_it_is(store, now)
    return told


def _as_it_is(store: Store, now: datetime) -> tuple[object, ...]:
    """What tells whether anything is new."""
    return (
        store.newest_record(),
        tuple(sorted(store.aliases().items())),
        tuple(each.id for each in store.requests(state="open")),
        tuple((each.id, each.state) for each in store.questions(kind=PROMOTION)),
        tuple((each.id, each.state) for each in store.trainings(now=now, limit=5)),
        tuple(sorted(store.judged_sources().items())),
    )


@dataclass(frozen=True)
class _Round:
    store: Store
    now: datetime
    settings: LoopSettings

    def told(self) -> Iterator[str]:
        yield from answered(self.store, at=self.now)
        asked = [*self.store.waiting_requests(PROMOTE), *self.store.waiting_requests(ROLL_BACK)]
        for request in sorted(asked, key=lambda each: each.id):
            yield self._asked(request)
        look = Look(self.store)
        for step in (self._sources, self._drifts, self._champion, self._challenger):
            try:
                yield from step(look)
            except (CorruptVersion, NotFound) as error:
                yield f"left out: {error}"
        if why := self._reason_to_train():
            yield from self._trained(why)

    def _asked(self, request: Request) -> str:
        reason = f"asked by {request.by}: {request.payload.get('reason', '')}"
        try:
            if request.kind == PROMOTE:
                version = self.store.version(str(request.payload.get("version", "challenger"))).id
                self.store.promote(version, reason=reason, by=request.by, at=self.now)
            else:
                version = self.store.roll_back(reason=reason, by=request.by, at=self.now).id
        except NotFound as error:
            self.store.answer(request.id, state="refused", answer=str(error), at=self.now)
            self._audit(f"{request.kind} refused", f"request {request.id}", reason, str(error))
            return f"request {request.id} was refused: {error}"
        self.store.answer(request.id, state="done", answer=f"{version} is champion", at=self.now)
        return f"{version} is champion, {reason}"

    def _sources(self, look: Look) -> Iterator[str]:
        for each in look.suspicions():
            self.store.judge_source(
                each.source, state=ON_HOLD, reason=str(each), by=LOOP, at=self.now
            )
            yield f"{each.source} is on hold: {each}"

    def _drifts(self, look: Look) -> Iterator[str]:
        for each in look.new_drifts(self.now):
            self.store.note_drift(each)
            place = " on ".join(part for part in (each.kind or "every kind", each.worker) if part)
            yield f"drift: {each.target} of {place} is {each.effect:.2f} times what was expected"

    def _champion(self, look: Look) -> Iterator[str]:
        if (decision := worse_than_before(look)) is None:
            return
        former = self.store.aliases()["champion"]
        reason = f"{former} does worse on what came after it: {decision}"
        version = self.store.roll_back(reason=reason, by=LOOP, at=self.now)
        self.store.refuse(former, reason=reason, by=LOOP, at=self.now)
        yield f"{version.id} is champion again: {reason}"

    def _challenger(self, look: Look) -> Iterator[str]:
        yield from judged_again(look, self.now)

    def _reason_to_train(self) -> str:
        """Why to train now; empty without a reason."""
        if any(each.state == "running" for each in self.store.trainings(now=self.now, limit=20)):
            return ""
        for request in self.store.waiting_requests(RETRAIN):
            return f"asked by {request.by}"
        known, learned, new = self._counts()
        if not learned:
            return f"{known} records and no version" if known >= self.settings.first else ""
        open_drifts = len(self.store.drifts(state="open"))
        if open_drifts and new >= self.settings.least:
            return f"{open_drifts} open drifts, {new} new records"
        enough = max(self.settings.more, round(self.settings.share * learned))
        return f"{new} new records" if new >= enough else ""

    def _counts(self) -> tuple[int, int, int]:
        """Trusted records: all, those that the last training had, and those that came since."""
        through = max(
            (
                int(each.settings.get("through", 0))
                for each in self.store.trainings(now=self.now)
                if each.state in ("succeeded", "failed")
            ),
            default=0,
        )
        known = self.store.record_count(trusted=True)
        learned = self.store.record_count(through=through, trusted=True) if through else 0
        return known, learned, known - learned

    def _trained(self, why: str) -> Iterator[str]:
        waiting = self.store.waiting_requests(RETRAIN)
        try:
            version = (self.settings.train or self._train)(self.store, self._like_the_champion())
        except AllotError as error:
            for request in waiting:
                self.store.answer(request.id, state="refused", answer=str(error), at=self.now)
            self._audit("training failed", "versions", why, str(error))
            yield f"training failed ({why}): {error}"
            return
        promotion = next(each for each in self.store.promotions() if each.version == version.id)
        settled = [each.id for each in self.store.drifts(state="open")]
        if promotion.alias == "champion" and settled:
            self.store.settle_drifts(settled, state="learned")
        answer = f"{version.id} is {promotion.alias}: {promotion.reason}"
        for request in waiting:
            self.store.answer(request.id, state="done", answer=answer, at=self.now)
        self._audit("train", version.id, why, answer)
        yield f"trained ({why}): {answer}"

    def _audit(self, action: str, subject: str, why: str, words: str) -> None:
        details = {"words": words}
        self.store.audit(action, subject, by=LOOP, at=self.now, reason=why, details=details)

    def _like_the_champion(self) -> TrainingSettings:
        if self.settings.training is not None:
            return self.settings.training
        try:
            training = self.store.version("champion").training
            plain = self.store.training(training or 0, now=self.now).settings
        except NotFound:
            return TrainingSettings()
        return TrainingSettings.from_plain(plain) if "shape" in plain else TrainingSettings()

    def _train(self, store: Store, training: TrainingSettings) -> ModelVersion:
        from learner.training.on_ray import train  # torch and Ray, where they are needed

        return train(store, training, workers=self.settings.workers, address=self.settings.address)
