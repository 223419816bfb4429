"""The same network in a loop as anybody writes it: what the product's loop is measured against."""

import torch

from learner.networks.network import Network, Plan, Rows
from learner.targets import target_named
from learner.training.lesson import Lesson
from learner.training.settings import TrainingSettings


def fit_plainly(plan: Plan, lessons: dict[str, Lesson], settings: TrainingSettings) -> list[float]:
    """Trains for all epochs and looks at the validation rows after each; their losses.

    Nothing that the product adds: no names forgotten, no weighting, no metrics, no checkpoint.
    """
    torch.manual_seed(settings.seed)
    network, lesson = Network(plan), lessons["train"]
    size = settings.batch_of(len(lesson))
    steps = -(-len(lesson) // size)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.rate, weight_decay=settings.decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, total_steps=steps * settings.epochs + 1, pct_start=0.2
    )
    found = []
    for _ in range(settings.epochs):
        network.train()
        order, others = torch.randperm(len(lesson)), torch.randperm(lesson.choices)
        for rows, choices in zip(
            torch.split(order, size), _split(others, steps, size), strict=True
        ):
            total = loss(network, lesson, rows, choices)
            optimiser.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
            optimiser.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            found.append(float(_whole(network, lessons["validation"])))
    return found


def _split(others: torch.Tensor, steps: int, size: int) -> list[torch.Tensor]:
    """The choices of each step: as many as the product takes."""
    return [each[: size // 2] for each in torch.tensor_split(others, steps)]


def _whole(network: Network, lesson: Lesson) -> torch.Tensor:
    return loss(network, lesson, torch.arange(len(lesson)), torch.arange(lesson.choices))


def loss(
    network: Network, lesson: Lesson, rows: torch.Tensor, choices: torch.Tensor
) -> torch.Tensor:
    pairs = zip(lesson.attempts, lesson.works, strict=True)
    both = Rows(*(torch.cat([one[rows], two[choices]]) for one, two in pairs))
    said = network(both, lesson.workers[choices])
    total = torch.zeros(())
    for name, truth in lesson.truth.items():
        target = target_named(name)
        mine = choices if target.sees == "choices" else rows
        known, weight = truth[mine], lesson.weight[name][mine]
        predicted = target.read(said[name], lesson.offset[name][0, mine])
        cost = target.loss(predicted, known, lesson.at_least[name][mine]) * weight
        count = (target.observed(known) * weight).sum()
        total = total + cost.sum() / count.clamp_min(1e-9)
    return total
