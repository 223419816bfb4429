"""The training loop: the same for one process and for many, and it knows nothing of Ray."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from learner.methods.base import Steering
from learner.networks.network import Plan
from learner.training.checkpoints import Checkpoints
from learner.training.course import Course
from learner.training.health import delta_m, forecast, metrics
from learner.training.lesson import Lesson
from learner.training.losses import losses
from learner.training.settings import TrainingSettings
from learner.training.team import Team
from scheduler.errors import AllotError
from scheduler.store.values import Metric

__all__ = ["ASKED", "DONE", "ENOUGH", "Fitted", "Report", "Team", "fit", "losses"]
Report = Callable[[Sequence[Metric]], Sequence[Metric] | None]
Stop = Callable[[], bool]
WARM = 1 / 3  # the share of epochs before which none can be the best
DONE, ENOUGH, ASKED = "all epochs done", "no better epoch came", "asked to stop"


@dataclass(frozen=True)
class Fitted:
    """The weights of the best epoch, and how the losses went: training and validation by epoch.

    `ended` says why it went on no longer: DONE, ENOUGH or ASKED.
    """

    weights: Mapping[str, Tensor]
    epoch: int
    losses: tuple[float, ...]
    validation: tuple[float, ...]
    ended: str = DONE

    def told(self) -> str:
        """How it ended, for people."""
        epochs = len(self.losses)
        return f"{self.ended} after {epochs} epochs; the best was number {self.epoch + 1}"


def fit(
    plan: Plan,
    lessons: Mapping[str, Lesson],
    settings: TrainingSettings,
    steering: Sequence[Steering] = (),
    *,
    report: Report = lambda _: None,
    team: Team | None = None,
    checkpoints: Checkpoints | None = None,
    stop: Stop = lambda: False,
) -> Fitted:
    """Trains a network and returns the weights of the epoch that is best on the validation rows.

    Losses are means over what was observed in the whole batch, so the number of processes that
    share a batch changes nothing. With `checkpoints` it goes on after the latest one, and ends as
    it would have without the cut, to the last bit where as many processes train. `steering` is what
    methods do in the loop, one after the other. `stop` is asked after each epoch, of the first
    process, whether to end there. `report` takes what each epoch found and gives back what of it
    could still be lost with this process: a training that goes on later reports that again. Raises
    AllotError when the losses stop being numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        course = Course(plan, lessons["train"], settings, team or Team(), steering)
        validation = lessons["validation"].to(course.team.device)
        return _fit(course, validation, report, checkpoints, stop)


def _fit(
    course: Course,
    validation: Lesson,
    report: Report,
    checkpoints: Checkpoints | None,
    stop: Stop,
) -> Fitted:
    settings, team = course.settings, course.team
    way = _Way.begun(course, checkpoints)
    if way.untold:
        report([Metric(**each) for each in way.untold])
    while way.ended(settings) is None:
        trained, checked = course.learn(way.epoch), course.check(validation)
        if not math.isfinite(forecast(trained) + forecast(checked)):
            raise AllotError(
                f"The training diverged in epoch {way.epoch}; a smaller rate than "
                f"{settings.rate:g} may help."
            )
        way.first = way.first or dict(checked)
        found = metrics(way.epoch, trained, checked, way.first, course.health(validation))
        way.untold = [vars(each) for each in report(found) or ()]
        way.took(forecast(trained), checked, course, settings)
        if checkpoints is not None:
            way.keep(course, checkpoints)
        if team.agreed(team.rank == 0 and stop()):
            return way.fitted(ASKED)
    return way.fitted(way.ended(settings) or DONE)


@dataclass(eq=False)
class _Way:
    """How far a training is: the losses of the epochs done, and the weights of the best one.

    `first` are the validation losses after the first epoch; of `marks` the least is the best.
    `untold` is what was reported and may not have arrived.
    """

    weights: Mapping[str, Tensor]
    best: int = 0
    losses: list[float] = field(default_factory=list)
    checks: list[float] = field(default_factory=list)
    marks: list[float] = field(default_factory=list)
    first: Mapping[str, float] = field(default_factory=dict)
    untold: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def begun(cls, course: Course, checkpoints: Checkpoints | None) -> "_Way":
        """From the latest checkpoint on, with the course put back there, else from the start."""
        state = None if checkpoints is None else checkpoints.latest()
        if state is None:
            return cls(course.weights())
        course.resume(state["course"])
        return cls(**state["way"])

    @property
    def epoch(self) -> int:
        return len(self.losses)

    def ended(self, settings: TrainingSettings) -> str | None:
        """Why no epoch follows; None while one does."""
        last = self.epoch - 1
        if self.epoch >= settings.epochs:
            return DONE
        return ENOUGH if last > _warm(settings) and last - self.best >= settings.patience else None

    def fitted(self, ended: str) -> Fitted:
        return Fitted(self.weights, self.best, tuple(self.losses), tuple(self.checks), ended)

    def took(
        self,
        loss: float,
        checked: Mapping[str, float],
        course: Course,
        settings: TrainingSettings,
    ) -> None:
        """Notes an epoch, and its weights where it is the best so far."""
        epoch, check = self.epoch, forecast(checked)
        mark = -delta_m(checked, self.first) if settings.stopping == "delta_m" else check
        self.losses.append(loss)
        self.checks.append(check)
        self.marks.append(mark)
        if epoch <= _warm(settings) or mark < self.marks[self.best]:
            self.best, self.weights = epoch, course.weights()

    def keep(self, course: Course, checkpoints: Checkpoints) -> None:
        """All processes bring their part, the first one writes."""
        state = {"way": vars(self), "course": course.state()}
        if course.team.rank == 0:
            checkpoints.save(state, epoch=self.epoch)


def _warm(settings: TrainingSettings) -> int:
    """The last epoch that is the best so far whatever it scores."""
    return math.ceil(settings.epochs * WARM) - 1
