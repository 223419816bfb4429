"""Learning a policy from plans that a search found: which task came first, and on which worker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy, softplus

from learner.planning.drills import Drill
from learner.threads import threads
from scheduler.planning.aiming import Start
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.policy import TERMS, guided
from scheduler.planning.policy import RANKS, WORLD, Policy, policy_of
from scheduler.planning.policy_view import learned
from scheduler.planning.searching import Budget, searched
from scheduler.planning.starts import starts

CRITICAL = 0.03  # of the makespan: the slack at which a choice counts e times less
NEVER = 1e6  # seconds over the mean that stand for a worker that is no choice
PAIRS = 6  # of tasks, drawn per task
APART = 3  # times the workers: how far apart in the plan the tasks of a pair are at most


@dataclass(frozen=True, eq=False)
class Lesson:
    """One plan of the search: the order of its tasks, their workers, and how much each counts.

    `seen` n x m x (1 + TERMS): the end and the terms of each worker when each task was placed.
    """

    drill: Drill
    order: Ints
    worker: Ints
    weight: Floats
    seen: Floats
    makespan: float


def lesson(drill: Drill, policies: Sequence[Policy], *, evaluations: int, seed: int) -> Lesson:
    """What the search finds from the portfolio and the plans of these policies."""
    flat, problem = drill.view.flat, drill.problem
    begin: list[Start] = [*starts(problem), *learned(problem, policies)]
    budget = Budget(evaluations, np.inf, lambda: 0.0)  # evaluations alone end it
    worker, start, end = searched(flat, begin, budget=budget, seed=seed, threads=1)
    rank = np.empty(end.size, np.int64)
    rank[flat.order] = np.arange(end.size)
    order = np.lexsort((rank, end, start))
    slack = slacks(flat, order, worker, start, end)
    seen = np.empty((end.size, flat.worker_cores.size, 1 + TERMS))
    guided(flat, order, drill.view.guide(np.ones((end.size, TERMS))), worker, seen)
    weight = np.exp(-slack / (CRITICAL * float(end.max())))
    return Lesson(drill, order, worker, weight, seen, float(end.max()))


def slacks(flat: Flat, order: Ints, worker: Ints, start: Floats, end: Floats) -> Floats:
    """Seconds by which each task of a plan could start later without a later end of all, n.

    Workers run one task at a time; `order` is that of the starts.
    """
    latest, following = np.full(end.size, end.max()), np.full(flat.worker_cores.size, end.max())
    for t in order[::-1]:
        w, limit = worker[t], following[worker[t]]
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            s = flat.after_task[e]
            apart = flat.latency + flat.after_bytes[e] * flat.per_byte[w, worker[s]]
            limit = min(limit, latest[s] - (apart if worker[s] != w else 0.0))
        latest[t] = following[w] = limit - (end[t] - start[t])
    slack: Floats = np.maximum(0.0, latest - start)
    return slack


def imitated(
    lessons: Sequence[Lesson], rng: Generator, before: Policy, *, steps: int, pull: float = 1e-3
) -> Policy:
    """The policy that would have chosen as the search did, not too far from the one before.

    The worker of a task by cross-entropy over the workers' values, the order by a logistic loss on
    pairs of tasks that lie close in the plan (Burges and others, "Learning to rank using gradient
    descent", 2005). A choice counts less the more slack it left.
    """
    drawn = torch.Generator().manual_seed(int(rng.integers(2**31)))
    choice, pair = _choices(lessons), _pairs(lessons, rng)
    old = torch.tensor(before.vector, dtype=torch.float32)
    new, heat = old.clone().requires_grad_(), torch.zeros(2, requires_grad=True)
    adam = torch.optim.Adam([new, heat], lr=0.03)
    with threads(1):
        for _ in range(steps):
            workers = _worker_loss(new, heat[0], _some(choice, 4096, drawn))
            order = _order_loss(new, heat[1], _some(pair, 8192, drawn))
            loss = workers + order + pull * ((new - old) ** 2).sum()
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    return policy_of(new.detach().numpy().astype(np.float64))


Tensors = tuple[torch.Tensor, ...]


def _worker_loss(weights: torch.Tensor, heat: torch.Tensor, rows: Tensors) -> torch.Tensor:
    seen, place, worker, counts = rows
    weight = place @ _terms(weights).T
    value = seen[..., 0] + torch.einsum("rmk,rk->rm", seen[..., 1:], weight)
    each = cross_entropy(-value * heat.exp(), worker.long(), reduction="none")
    return (each * counts).mean()


def _order_loss(weights: torch.Tensor, heat: torch.Tensor, rows: Tensors) -> torch.Tensor:
    ahead, ranks, world, counts = rows
    more = ahead + ((world @ _ranks(weights).T) * ranks).sum(dim=1)
    return (softplus(-10 * more * heat.exp()) * counts).mean()


def _ranks(weights: torch.Tensor) -> torch.Tensor:
    return weights[: len(RANKS) * len(WORLD)].reshape(len(RANKS), len(WORLD))


def _terms(weights: torch.Tensor) -> torch.Tensor:
    return weights[len(RANKS) * len(WORLD) :].reshape(TERMS, -1)


def _choices(lessons: Sequence[Lesson]) -> Tensors:
    """Rows of (value of each worker over the best, in mean durations), place, worker, weight."""
    wide = max(each.seen.shape[1] for each in lessons)
    return _stacked(_choice(each, wide) for each in lessons)


def _choice(one: Lesson, wide: int) -> tuple[NDArray[np.floating], ...]:
    n, m, _ = one.seen.shape
    seen = np.zeros((n, wide, 1 + TERMS))
    seen[:, :, 0] = NEVER
    seen[:, :m] = one.seen
    seen[..., 0] -= one.seen[..., 0].min(axis=1)[:, None]
    seen /= one.drill.view.ranks[:, RANKS.index("own"), None, None]
    never = ~(seen[..., 0] < NEVER)
    seen[never] = 0.0
    seen[never, 0] = NEVER
    return seen, one.drill.view.place, one.worker.astype(np.float64), one.weight


def _pairs(lessons: Sequence[Lesson], rng: Generator) -> Tensors:
    """Rows of (what the earlier task has more of upward rank, of each rank), world, weight."""
    return _stacked(_pair(each, rng) for each in lessons)


def _pair(one: Lesson, rng: Generator) -> tuple[NDArray[np.floating], ...]:
    n, m, _ = one.seen.shape
    first = rng.integers(0, n, PAIRS * n)
    then = np.minimum(first + rng.integers(1, APART * m + 1, first.size), n - 1)
    kept = then > first
    a, b, view = one.order[first[kept]], one.order[then[kept]], one.drill.view
    scale, world = view.up.max(), np.repeat(view.world[None], kept.sum(), axis=0)
    return (
        (view.up[a] - view.up[b]) / scale,
        (view.ranks[a] - view.ranks[b]) / scale,
        world,
        (one.weight[a]),
    )


def _stacked(parts: Iterator[tuple[NDArray[np.floating], ...]]) -> Tensors:
    columns = zip(*parts, strict=True)
    return tuple(torch.tensor(np.concatenate(each), dtype=torch.float32) for each in columns)


def _some(rows: Tensors, count: int, drawn: torch.Generator) -> Tensors:
    pick = torch.randint(0, len(rows[0]), (count,), generator=drawn)
    return tuple(each[pick] for each in rows)
