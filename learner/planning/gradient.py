"""Fine-tuning a policy in the simulator: what counts is the makespan that comes of a plan, where
durations are not what was forecast.

Workers are drawn instead of chosen, and what the draw brought over the policy's own choice moves
the weights: REINFORCE (Williams 1992, eq. 11) with a greedy rollout as the baseline (Kool, van Hoof
and Welling 2019, section 4), then an evolution strategy on the same makespans, which moves the
order of tasks too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from learner.planning.drills import Drill
from learner.planning.evolution import Evolution, evolved
from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.policy import DOUBT, TERMS, guided
from scheduler.planning.policy import Policy, policy_of
from scheduler.planning.policy_view import NOBODY, UNSEEN, View

FAST, SLOW, TINY = 0.9, 0.999, 1e-8  # Adam's two memories, and what it divides by at least


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How to fine-tune; nothing is drawn but from the generator that is given.

    `spread` is the deviation of the logarithm of a true duration from the forecast one. In each of
    `steps` so many `draws` of workers are made on each of `batch` drills, `heat` mean durations
    apart from the greedy choice, and the weights move by `rate`. Then `generations` of `population`
    policies are tried, each on `batch` drills.
    """

    spread: float = 0.4
    steps: int = 120
    draws: int = 4
    batch: int = 16
    heat: float = 0.1
    rate: float = 0.01
    generations: int = 60
    population: int = 16


@dataclass(frozen=True, eq=False)
class Rollout:
    """One plan that a policy drew, and how the log of its probability changes with the terms.

    Shape: worker, start: n; slope: TERMS x PLACE.
    """

    worker: Ints
    start: Floats
    slope: Floats


def fine_tuned(
    policy: Policy,
    drills: Sequence[Drill],
    rng: Generator,
    settings: Tuning | None = None,
    *,
    told: Callable[[str, float], None] = lambda *_: None,
) -> Policy:
    """The policy after so much practice under uncertainty, or the one given where that is no worse.

    It is judged on fates that it did not practise on: `told` hears of each step with the geometric
    mean of makespans over those of the policy given.
    """
    settings = settings or Tuning()
    judge = rng.integers(2**31)
    views = [each.view for each in drills]

    def over(new: Policy) -> float:
        fates = np.random.default_rng(judge)
        moved = []
        for view in views:
            truth = fate(view.flat, settings.spread, fates)
            moved.append(_log_makespan(view, truth, new) - _log_makespan(view, truth, policy))
        return float(np.mean(moved))

    best, least = policy, 0.0
    for name, way in (("policy gradient", reinforced), ("evolution", bred)):
        new = way(best, views, rng, settings)
        found = over(new)
        told(name, float(np.exp(found)))
        if found < least:
            best, least = new, found
    return best


def reinforced(policy: Policy, views: Sequence[View], rng: Generator, settings: Tuning) -> Policy:
    """The policy after its workers were drawn so often, and better draws made likelier.

    The order of tasks stays as it is.
    """
    terms = policy.terms.copy()
    mean, square = np.zeros_like(terms), np.zeros_like(terms)
    for step in range(1, settings.steps + 1):
        now = replace(policy, terms=terms)
        slope = np.zeros_like(terms)
        for place in rng.choice(len(views), min(settings.batch, len(views)), replace=False):
            slope += _slope(views[place], now, rng, settings)
        slope[DOUBT] = 0.0  # drills have no affinity to learn it from
        mean = FAST * mean + (1 - FAST) * slope
        square = SLOW * square + (1 - SLOW) * slope**2
        steady = np.sqrt(square / (1 - SLOW**step)) + TINY
        terms = terms + settings.rate * (mean / (1 - FAST**step)) / steady
    return replace(policy, terms=terms)


def bred(policy: Policy, views: Sequence[View], rng: Generator, settings: Tuning) -> Policy:
    """The policy that an evolution strategy on realised makespans makes of one."""
    size, seeds = min(settings.batch, len(views)), rng.integers(2**31, size=settings.generations)
    free = np.ones(policy.vector.size, dtype=bool)
    width = policy.terms.shape[1]
    doubt = policy.ranks.size + DOUBT * width
    free[doubt : doubt + width] = False

    def whole(weights: Floats) -> Policy:
        vector = policy.vector
        vector[free] = weights
        return policy_of(vector)

    def loss(weights: Floats, generation: int) -> float:
        fates, new = np.random.default_rng(seeds[generation]), whole(weights)
        chosen = [views[i] for i in fates.choice(len(views), size, replace=False)]
        ends = [_log_makespan(v, fate(v.flat, settings.spread, fates), new) for v in chosen]
        return float(np.mean(ends))

    search = Evolution(
        rng, policy.vector[free], step=0.05, least=0.02, population=settings.population
    )
    return whole(evolved(search, loss, generations=settings.generations))


def fate(flat: Flat, spread: float, rng: Generator) -> Flat:
    """The same problem as it turns out: each task takes its forecast times a factor of its own."""
    factor = np.exp(rng.normal(0.0, spread, flat.row.size))
    rows = np.arange(flat.row.size)
    return flat._replace(
        row=rows,
        duration=np.ascontiguousarray(flat.duration[flat.row] * factor[:, None]),
        memory=np.ascontiguousarray(flat.memory[flat.row]),
        affinity=np.ascontiguousarray(flat.affinity[flat.row]),
    )


def drawn(view: View, policy: Policy, rng: Generator, heat: float) -> Rollout:
    """A plan whose workers are drawn with chances exp(-value / (heat x mean duration)).

    The least of values less Gumbel noise is such a draw (Maddison, Tarlow and Minka 2014); the
    noise goes in as one more term that speaks against a worker.
    """
    shape = (view.flat.row.size, view.flat.worker_cores.size)
    weight = view.place @ policy.terms.T
    warmth = heat * view.ranks[:, OWN, None]
    doubt = weight[:, [DOUBT]] * view.doubt if view.doubt.size else np.zeros(shape)
    noisy = weight.copy()
    noisy[:, DOUBT] = 1.0
    noise = doubt - warmth * rng.gumbel(size=shape)
    guide = view.guide(noisy)._replace(doubt=np.ascontiguousarray(noise))
    seen = np.empty((*shape, 1 + TERMS))
    worker, start, _ = guided(view.flat, view.order(policy), guide, NOBODY, seen)
    seen[..., 1 + DOUBT] = view.doubt if view.doubt.size else 0.0
    return Rollout(worker, start, _likelier(seen, weight, worker, warmth, view.place))


def _likelier(seen: Floats, weight: Floats, worker: Ints, warmth: Floats, place: Floats) -> Floats:
    """How the terms make the drawn workers likelier: the gradient of a softmax's logarithm."""
    able = np.isfinite(seen[..., 0])
    terms = np.where(able[..., None], seen[..., 1:], 0.0)
    value = np.where(able, seen[..., 0] + np.einsum("nmk,nk->nm", terms, weight), np.inf)
    chance = np.exp(-(value - value.min(axis=1, keepdims=True)) / warmth)
    chance /= chance.sum(axis=1, keepdims=True)
    rows = np.arange(len(worker))
    usual = np.einsum("nm,nmk->nk", chance, terms)
    found: Floats = ((usual - terms[rows, worker]) / warmth).T @ place
    return found


def _slope(view: View, policy: Policy, rng: Generator, settings: Tuning) -> Floats:
    """Where the terms should go on one problem: all draws and the greedy plan meet one fate."""
    truth = fate(view.flat, settings.spread, rng)
    usual = _log_makespan(view, truth, policy)
    total = np.zeros_like(policy.terms)
    for _ in range(settings.draws):
        plan = drawn(view, policy, rng, settings.heat)
        gain = usual - np.log(_realised(view, truth, plan.worker, plan.start))
        total += gain * plan.slope
    return total


def _log_makespan(view: View, truth: Flat, policy: Policy) -> float:
    worker, start, _ = view.timed(policy)
    return float(np.log(_realised(view, truth, worker, start)))


def _realised(view: View, truth: Flat, worker: Ints, start: Floats) -> float:
    """The makespan where tasks keep their workers and their order of starting."""
    blind = view.guide(np.zeros((worker.size, TERMS)))
    order = np.argsort(start, kind="stable")
    return float(guided(truth, order, blind, worker, UNSEEN)[2].max())


OWN = 4  # the place of a task's mean duration among the ranks
