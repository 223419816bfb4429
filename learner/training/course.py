"""A network on its way through a training: what changes from step to step."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from learner.methods.base import Steering
from learner.networks.base import Sharing
from learner.networks.network import Network, Plan
from learner.training import health
from learner.training.checkpoints import restore, state_of
from learner.training.gradients import Meeting, cosines
from learner.training.lesson import Batch, Lesson
from learner.training.losses import losses
from learner.training.settings import TrainingSettings
from learner.training.team import CPU, Team
from learner.weighting import weighting_named
from learner.weighting.static import Static

RISE = 0.2  # the share of steps in which the rate rises
SHORTEST = 6  # steps below which the rate's rise would be no step long
CHUNK = 16_384  # rows that are checked in one pass, to bound memory
LOOKED = 1_024  # rows at which the health of a network is looked: a share to a hundredth or two


class Course:
    """A network that learns one lesson, together with the other processes of its team."""

    def __init__(
        self,
        plan: Plan,
        lesson: Lesson,
        settings: TrainingSettings,
        team: Team,
        steering: Sequence[Steering] = (),
    ) -> None:
        self.lesson, self.settings, self.team = lesson.to(team.device), settings, team
        self.steering, self.names = steering, tuple(lesson.truth)
        self.network = Network(plan)
        for each in steering:
            each.begin(self.network)
        self.network.to(team.device)
        self.penalised = type(self.network.sharing).penalty is not Sharing.penalty
        self.meeting = Meeting(self.network.sharing, team.together)
        self.worker = team.wrapped(self.network)
        self._weigh()
        self.size = settings.batch_of(len(lesson))
        self.steps = settings.epochs * -(-len(lesson) // self.size)
        self.learning = [each for each in self.network.parameters() if each.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.learning,
            lr=settings.rate,
            eps=settings.epsilon,
            weight_decay=settings.decay,
            fused=True,
        )
        total = max(self.steps + 1, SHORTEST)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, settings.rate, total_steps=total, pct_start=RISE
        )

    def _weigh(self) -> None:
        """Sets up how the targets are balanced; those of which no row tells count one."""
        self.taught = self.lesson.taught
        self.places = torch.tensor([self.names.index(name) for name in self.taught]).long()
        self.weighting = weighting_named(
            self.settings.weighting,
            self.taught,
            seed=self.settings.seed,
            given=self.settings.loss_weights,
        )
        self.ones = torch.ones(len(self.names), device=self.team.device)
        self.agreement: dict[tuple[str, str], float] = {}
        self.told: list[Tensor] = []
        if isinstance(self.weighting, Static):
            self.ones[self.places] = self.weighting.fixed.to(self.team.device)

    def learn(self, epoch: int) -> dict[str, float]:
        """One pass over the training rows; the mean loss of each target."""
        self.worker.train()
        self.agreement, self.told = {}, []
        sums = torch.zeros(len(self.names), dtype=torch.float64, device=self.team.device)
        counts = torch.zeros(len(self.names), dtype=torch.float64)
        for batch in self.lesson.batches(
            self.size,
            seed=self.settings.seed * 1_000_003 + epoch,
            forget=self.settings.forget,
            rank=self.team.rank,
            world=self.team.size,
        ):
            known = torch.tensor(list(batch.counts.values()), dtype=torch.float64)
            sums.addcmul_(self.step(batch).double(), known.to(sums.device, non_blocking=True))
            counts += known
        self.weighting.end_epoch()
        return self._by_name(self.team.together(sums).cpu() / counts.clamp_min(1.0))

    def check(self, lesson: Lesson) -> dict[str, float]:
        """The mean loss of each target on rows that are not learned from, all workers' together."""
        self.network.eval()
        sums, counts = torch.zeros(2, len(self.names), dtype=torch.float64)
        with torch.no_grad():
            for batch in lesson.parts(CHUNK, rank=self.team.rank, world=self.team.size):
                known = torch.tensor(list(batch.counts.values()), dtype=torch.float64)
                sums += self._whole(self._losses(self.network, batch)).cpu().double() * known
                counts += known
        return self._by_name(sums / counts.clamp_min(1e-9))

    def health(self, lesson: Lesson) -> dict[tuple[str, str], float]:
        """By target: its gate, how its gradient agreed with others', and what it weighed."""
        self.network.eval()
        rows = lesson.shown(LOOKED)
        with torch.no_grad():
            sharing, read = self.network.sharing, self.network.embed(rows)
            found = health.gates(sharing.gates(read), sharing.experts)
            found |= health.loads(sharing.lower_gates(read), sharing.experts, name="lower_load")
            self.network(rows)
        found["all", "dead_units"] = self.meeting.dead_units()
        self.meeting.forget()
        if self.told:
            mean = torch.stack(self.told).mean(0).tolist()
            found |= {(name, "weight"): w for name, w in zip(self.taught, mean, strict=True)}
        return found | self.agreement

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights as they are."""
        return {name: each.detach().to(CPU, copy=True) for name, each in self._state().items()}

    def state(self) -> dict[str, Any]:
        """All that the epochs to come depend on; every process of the team has to ask."""
        return {
            "network": self._state(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "weighting": state_of(self.weighting),
            "meeting": self.meeting.chosen,
            "drawn": self.team.each(torch.get_rng_state().to(self.team.device)),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Puts the course back to where its state was asked."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.weighting.wake()
        restore(self.weighting, state["weighting"])
        place = state["meeting"]
        device = self.team.device
        self.meeting.chosen = None if place is None else (place[0], place[1].to(device))
        if self.team.rank < len(state["drawn"]):  # a larger team than before draws on
            torch.set_rng_state(state["drawn"][self.team.rank].cpu())

    def _state(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.network.state_dict()
        return found

    def step(self, batch: Batch) -> Tensor:
        """This worker's shares in the losses of the batch, in the order of the names."""
        mine = self._losses(self.worker, batch)
        weights = self._balance(mine) if self.taught else self.ones
        total = self._total(batch, mine, weights) * self.team.size
        if self.penalised:
            total = total + self.network.penalty(batch.rows)
        for each in self.learning:
            each.grad = None
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.learning, self.settings.clip)
        self.optimiser.step()
        self.schedule.step()
        if self.taught:
            self.weighting.after(lambda: self._again(batch))
        return torch.stack([each.detach() for each in mine.values()])

    def _total(self, batch: Batch, mine: Mapping[str, Tensor], weights: Tensor) -> Tensor:
        """What is minimised; methods may change it, and see the network without its wrapping."""
        if not self.steering:
            return torch.dot(torch.stack(list(mine.values())), weights)
        progress, steered = self.schedule.last_epoch / max(self.steps, 1), mine
        for each in self.steering:
            steered = dict(each.losses(self.network, batch, steered, progress))
        weight = dict(zip(self.names, weights, strict=True))
        return torch.stack([weight.get(name, 1.0) * each for name, each in steered.items()]).sum()

    def _balance(self, mine: Mapping[str, Tensor]) -> Tensor:
        """The weight of each target; only weightings that learn ask for everybody's losses."""
        if not self.told:
            self.agreement = health.agreement(self.taught, cosines(self._gramian(mine)).cpu())
        if isinstance(self.weighting, Static):
            self.told = self.told or [self.weighting.fixed]
            return self.ones
        known = self._whole(mine)[self.places].cpu()
        found = self.weighting.weights(known, lambda: self._gramian(mine).cpu())
        self.told.append(found)
        weights = self.ones.clone()
        weights[self.places] = found.to(weights)
        return weights

    def _losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        if not self.team.mixed:
            return losses(network, batch)
        with torch.autocast(self.team.device.type, dtype=torch.bfloat16):
            said = network(batch.rows, batch.workers)
        return losses(lambda *_: said, batch)

    def _whole(self, mine: Mapping[str, Tensor]) -> Tensor:
        """The losses of the whole batch from the shares of all training workers."""
        return self.team.together(torch.stack([each.detach() for each in mine.values()]))

    def _gramian(self, mine: Mapping[str, Tensor]) -> Tensor:
        return self.meeting.gramian([mine[name] for name in self.taught])

    def _again(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            return self._whole(self._losses(self.network, batch))[self.places].cpu()

    def _by_name(self, values: Tensor) -> dict[str, float]:
        return dict(zip(self.names, values.tolist(), strict=True))
