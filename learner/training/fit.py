"""The training loop: the same for one process and for many, and it knows nothing of Ray."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from learner.methods.base import Steering
from learner.networks.network import Network, Plan, Rows
from learner.targets import target_named, targets
from learner.training.checkpoints import Checkpoints, restore, state_of
from learner.training.gradients import Meeting, cosines
from learner.training.lesson import Batch, Lesson
from learner.training.settings import TrainingSettings
from learner.weighting import weighting_named
from scheduler.errors import AllotError
from scheduler.store.values import Metric

Report = Callable[[Sequence[Metric]], None]
WARM = 1 / 3  # the share of epochs before which none can be the best
RISE = 0.2  # the share of steps in which the rate rises
UNUSED = 0.01  # an expert that has no more weight in any row is dead
SHORTEST = 6  # steps below which the rate's rise would be no step long


@dataclass(frozen=True)
class Team:
    """The place of this process among those that train together.

    `together` adds a tensor up over all of them, `each` gives everybody's in the order of the
    ranks; `wrapped` makes a network average its gradients.
    """

    rank: int = 0
    size: int = 1
    together: Callable[[Tensor], Tensor] = lambda values: values
    each: Callable[[Tensor], list[Tensor]] = lambda values: [values]
    wrapped: Callable[[nn.Module], nn.Module] = lambda network: network


@dataclass(frozen=True)
class Fitted:
    """The weights of the best epoch, and how the losses went: training and validation by epoch."""

    weights: Mapping[str, Tensor]
    epoch: int
    losses: tuple[float, ...]
    validation: tuple[float, ...]


def fit(
    plan: Plan,
    lessons: Mapping[str, Lesson],
    settings: TrainingSettings,
    steering: Sequence[Steering] = (),
    *,
    report: Report = lambda _: None,
    team: Team | None = None,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Trains a network and returns the weights of the epoch with the least validation loss.

    Losses are means over what was observed in the whole batch, so the number of processes that
    share a batch changes nothing. With `checkpoints` it goes on after the latest one, and ends as
    it would have without the cut, to the last bit where as many processes train. `steering` is what
    methods do in the loop, one after the other. Raises AllotError when the losses stop being
    numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        course = _Course(plan, lessons["train"], settings, team or Team(), steering)
        return _fit(course, lessons["validation"], report, checkpoints)


def _fit(
    course: "_Course", validation: Lesson, report: Report, checkpoints: Checkpoints | None
) -> Fitted:
    settings, whole = course.settings, validation.whole()
    way = _Way.begun(course, checkpoints)
    while not way.over(settings):
        trained, checked = course.learn(way.epoch), course.check(whole)
        if not math.isfinite(_forecast(trained) + _forecast(checked)):
            raise AllotError(
                f"The training diverged in epoch {way.epoch}; a smaller rate than "
                f"{settings.rate:g} may help."
            )
        report(_metrics(way.epoch, trained, checked, course.health(whole.rows)))
        way.took(_forecast(trained), _forecast(checked), course, settings)
        if checkpoints is not None:
            way.keep(course, checkpoints)
    return Fitted(way.weights, way.best, tuple(way.losses), tuple(way.checks))


@dataclass(eq=False)
class _Way:
    """How far a training is: the losses of the epochs done, and the weights of the best one."""

    weights: Mapping[str, Tensor]
    best: int = 0
    losses: list[float] = field(default_factory=list)
    checks: list[float] = field(default_factory=list)

    @classmethod
    def begun(cls, course: "_Course", checkpoints: Checkpoints | None) -> "_Way":
        """From the latest checkpoint on, with the course put back there, else from the start."""
        state = None if checkpoints is None else checkpoints.latest()
        if state is None:
            return cls(course.weights())
        course.resume(state["course"])
        return cls(**state["way"])

    @property
    def epoch(self) -> int:
        return len(self.losses)

    def over(self, settings: TrainingSettings) -> bool:
        last = self.epoch - 1
        enough = last > _warm(settings) and last - self.best >= settings.patience
        return enough or self.epoch >= settings.epochs

    def took(
        self, loss: float, check: float, course: "_Course", settings: TrainingSettings
    ) -> None:
        """Notes an epoch, and its weights where it is the best so far."""
        epoch = self.epoch
        self.losses.append(loss)
        self.checks.append(check)
        if epoch <= _warm(settings) or check < self.checks[self.best]:
            self.best, self.weights = epoch, course.weights()

    def keep(self, course: "_Course", checkpoints: Checkpoints) -> None:
        """All processes bring their part, the first one writes."""
        state = {"way": vars(self), "course": course.state()}
        if course.team.rank == 0:
            checkpoints.save(state, epoch=self.epoch)


def _warm(settings: TrainingSettings) -> int:
    """The last epoch that is the best so far whatever it scores."""
    return math.ceil(settings.epochs * WARM) - 1


@dataclass(eq=False)
class _Course:
    """A network on its way: what changes from step to step."""

    plan: Plan
    lesson: Lesson
    settings: TrainingSettings
    team: Team
    steering: Sequence[Steering] = ()
    network: Network = field(init=False)

    def __post_init__(self) -> None:
        self.network = Network(self.plan)
        for each in self.steering:
            each.begin(self.network)
        self.meeting = Meeting(self.network.sharing, self.team.together)
        self.worker = self.team.wrapped(self.network)
        self.taught = self.lesson.taught
        self.weighting = weighting_named(
            self.settings.weighting,
            self.taught,
            seed=self.settings.seed,
            given=self.settings.loss_weights,
        )
        self.agreement: dict[tuple[str, str], float] = {}
        self.told: list[Tensor] = []
        self.size = self.settings.batch_of(len(self.lesson))
        self.steps = self.settings.epochs * -(-len(self.lesson) // self.size)
        rate = self.settings.rate
        learning = [each for each in self.network.parameters() if each.requires_grad]
        self.optimiser = torch.optim.AdamW(learning, lr=rate, weight_decay=self.settings.decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rate, total_steps=max(self.steps + 1, SHORTEST), pct_start=RISE
        )

    def learn(self, epoch: int) -> dict[str, float]:
        """One pass over the training rows; the mean loss of each target."""
        self.worker.train()
        self.agreement, self.told = {}, []
        sums = dict.fromkeys(self.plan.targets, 0.0)
        counts = dict.fromkeys(self.plan.targets, 0.0)
        for batch in self.lesson.batches(
            self.size,
            seed=self.settings.seed * 1_000_003 + epoch,
            forget=self.settings.forget,
            rank=self.team.rank,
            world=self.team.size,
        ):
            for name, loss in self._step(batch).items():
                sums[name] += float(loss) * batch.counts[name]
                counts[name] += batch.counts[name]
        self.weighting.end_epoch()
        return {name: sums[name] / max(counts[name], 1.0) for name in sums}

    def check(self, batch: Batch) -> dict[str, float]:
        """The mean loss of each target on rows that are not learned from."""
        self.network.eval()
        with torch.no_grad():
            return {name: float(loss) for name, loss in losses(self.network, batch).items()}

    def health(self, rows: Rows) -> dict[tuple[str, str], float]:
        """By target: its gate, how its gradient agreed with others', and what it weighed."""
        self.network.eval()
        with torch.no_grad():
            found = _gates(self.network.gates(rows), self.network.sharing.experts)
            self.network(rows)
        found["all", "dead_units"] = self.meeting.dead_units()
        self.meeting.forget()
        if self.told:
            mean = torch.stack(self.told).mean(0).tolist()
            found |= {(name, "weight"): w for name, w in zip(self.taught, mean, strict=True)}
        return found | self.agreement

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights as they are."""
        return {name: each.detach().clone() for name, each in self.network.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """All that the epochs to come depend on; every process of the team has to ask."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "weighting": state_of(self.weighting),
            "meeting": self.meeting.chosen,
            "drawn": self.team.each(torch.get_rng_state()),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Puts the course back to where its state was asked."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.weighting.wake()
        restore(self.weighting, state["weighting"])
        place = state["meeting"]
        self.meeting.chosen = None if place is None else (place[0], place[1])
        if self.team.rank < len(state["drawn"]):  # a larger team than before draws on
            torch.set_rng_state(state["drawn"][self.team.rank])

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        mine = losses(self.worker, batch)
        shared = self._whole(mine)
        weight = self._balance(mine, shared) if self.taught else {}
        steered = self._steered(batch, mine)
        total = torch.stack([weight.get(name, 1.0) * each for name, each in steered.items()]).sum()
        self.optimiser.zero_grad()
        total = total * self.team.size + self.network.penalty(batch.rows)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        self.schedule.step()
        if self.taught:
            self.weighting.after(lambda: self._again(batch))
        return shared

    def _steered(self, batch: Batch, plain: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What methods would have minimised instead; they see the network without its wrapping."""
        progress = self.schedule.last_epoch / max(self.steps, 1)
        for each in self.steering:
            plain = each.losses(self.network, batch, plain, progress)
        return plain

    def _balance(
        self, mine: Mapping[str, Tensor], shared: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The weight of each target that the rows say something of."""
        known = torch.stack([shared[name] for name in self.taught])
        weights = self.weighting.weights(known, lambda: self._gramian(mine))
        if not self.told:
            self.agreement = _agreement(self.taught, cosines(self._gramian(mine)))
        self.told.append(weights)
        return dict(zip(self.taught, weights, strict=True))

    def _whole(self, mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses of the whole batch from the shares of all training workers."""
        whole = self.team.together(torch.stack([each.detach() for each in mine.values()]))
        return dict(zip(mine, whole, strict=True))

    def _gramian(self, mine: Mapping[str, Tensor]) -> Tensor:
        return self.meeting.gramian([mine[name] for name in self.taught])

    def _again(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            shared = self._whole(losses(self.network, batch))
        return torch.stack([shared[name] for name in self.taught])


def losses(network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
    """Each target's share in the mean loss of the whole batch."""
    said = network(batch.rows, batch.workers)
    found = {}
    for name in batch.truth:
        target, truth, offset = target_named(name), batch.truth[name], batch.offset[name]
        predicted = target.read(said[name], offset)
        cost = target.loss(predicted, truth, batch.at_least[name]) * batch.weight[name]
        found[name] = cost.sum() / max(batch.counts[name], 1e-9)
    return found


def _gates(gates: Mapping[str, Tensor], experts: Sequence[str]) -> dict[tuple[str, str], float]:
    """The normalised entropy of each gate, the mean weight of each expert, how many are dead."""
    found = {}
    for target, weights in gates.items():
        if len(experts) > 1 and len(weights):
            entropy = -(weights * weights.clamp_min(1e-12).log()).sum(-1).mean()
            found[target, "gate_entropy"] = float(entropy) / math.log(len(experts))
            found[target, "dead_experts"] = float((weights.amax(0) < UNUSED).float().mean())
            for expert, load in zip(experts, weights.mean(0), strict=True):
                found[target, f"expert_load.{expert}"] = float(load)
    return found


def _agreement(names: Sequence[str], cosine: Tensor) -> dict[tuple[str, str], float]:
    """The cosine of each pair of targets whose gradients are not zero."""
    pairs = ((i, j) for i in range(len(names)) for j in range(i + 1, len(names)))
    return {
        (names[i], f"cosine.{names[j]}"): float(cosine[i, j])
        for i, j in pairs
        if not torch.isnan(cosine[i, j])
    }


def _forecast(by_target: Mapping[str, float]) -> float:
    """The sum over targets that are forecast: auxiliary ones do not choose the epoch."""
    return sum(loss for name, loss in by_target.items() if name in targets())


def _metrics(
    epoch: int,
    trained: Mapping[str, float],
    checked: Mapping[str, float],
    health: Mapping[tuple[str, str], float],
) -> list[Metric]:
    told = [Metric(epoch, "all", "loss", _forecast(trained))]
    told += [Metric(epoch, "all", "validation_loss", _forecast(checked))]
    told += [Metric(epoch, name, "loss", loss) for name, loss in trained.items()]
    told += [Metric(epoch, name, "validation_loss", loss) for name, loss in checked.items()]
    return told + [Metric(epoch, target, name, v) for (target, name), v in health.items()]
