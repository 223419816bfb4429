"""The training loop: the same for one process and for many, and it knows nothing of Ray."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from learner.networks.network import Network, Plan, Rows
from learner.targets import target_named, targets
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

    `together` adds a tensor up over all of them; `wrapped` makes a network average its gradients.
    """

    rank: int = 0
    size: int = 1
    together: Callable[[Tensor], Tensor] = lambda values: values
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
    *,
    report: Report = lambda _: None,
    team: Team | None = None,
) -> Fitted:
    """Trains a network and returns the weights of the epoch with the least validation loss.

    Losses are means over what was observed in the whole batch, so the number of processes that
    share a batch changes nothing. Raises AllotError when the losses stop being numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return _fit(plan, lessons, settings, report, team or Team())


def _fit(
    plan: Plan,
    lessons: Mapping[str, Lesson],
    settings: TrainingSettings,
    report: Report,
    team: Team,
) -> Fitted:
    course = _Course(plan, lessons["train"], settings, team)
    whole = lessons["validation"].whole()
    warm = math.ceil(settings.epochs * WARM) - 1
    losses: list[float] = []
    checks: list[float] = []
    best, weights = 0, course.weights()
    for epoch in range(settings.epochs):
        trained, checked = course.learn(epoch), course.check(whole)
        losses.append(_forecast(trained))
        checks.append(_forecast(checked))
        if not math.isfinite(losses[-1] + checks[-1]):
            raise AllotError(
                f"The training diverged in epoch {epoch}; a smaller rate than "
                f"{settings.rate:g} may help."
            )
        report(_metrics(epoch, trained, checked, course.health(whole.rows)))
        if epoch <= warm or checks[-1] < checks[best]:
            best, weights = epoch, course.weights()
        elif epoch - best >= settings.patience:
            break
    return Fitted(weights, best, tuple(losses), tuple(checks))


@dataclass(eq=False)
class _Course:
    """A network on its way: what changes from step to step."""

    plan: Plan
    lesson: Lesson
    settings: TrainingSettings
    team: Team
    network: Network = field(init=False)

    def __post_init__(self) -> None:
        self.network = Network(self.plan)
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
        steps = self.settings.epochs * -(-len(self.lesson) // self.size)
        rate = self.settings.rate
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=rate, weight_decay=self.settings.decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rate, total_steps=max(steps + 1, SHORTEST), pct_start=RISE
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

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        mine = losses(self.worker, batch)
        shared = self._whole(mine)
        weight = self._balance(mine, shared) if self.taught else {}
        total = torch.stack([weight.get(name, 1.0) * loss for name, loss in mine.items()]).sum()
        self.optimiser.zero_grad()
        total = total * self.team.size + self.network.penalty(batch.rows)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        self.schedule.step()
        if self.taught:
            self.weighting.after(lambda: self._again(batch))
        return shared

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


def losses(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
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
