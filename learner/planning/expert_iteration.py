"""Expert iteration: a search shows good plans, a policy learns them and is tuned on the makespan.

Anthony, Tian and Barber, "Thinking fast and slow with deep learning and tree search" (2017), with
the anytime search as the expert and list scheduling as the apprentice. The makespan itself is cheap
to ask for, so that each round ends with an evolution strategy on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from learner.planning.drills import PRACTISED, SMALL, UNKNOWN, Drill, drills, unsure_drills
from learner.planning.evolution import Evolution, evolved
from learner.planning.imitation import imitated, lesson
from scheduler.planning.flat import Floats
from scheduler.planning.policy import PLACE, RANKS, TERMS, WORLD, Policy, heft, policy_of

DOUBTS = len(RANKS) * len(WORLD) + TERMS.index("doubt") * len(PLACE)  # where its weights begin


@dataclass(frozen=True)
class Settings:
    """How much practice: drills, rounds, and what each round costs.

    `rounds` of search (`evaluations` a drill), imitation (`steps`) and evolution (`generations` of
    `population` candidates on `batch` drills), all but the last on small problems; then
    `variants` - 1 further policies, each with `further` generations, for where those before do
    worst; then `trusting` generations for the affinity.
    """

    seed: int = 0
    practice: int = 210
    checks: int = 105
    rounds: int = 2
    evaluations: int = 1000
    steps: int = 300
    generations: int = 200
    population: int = 16
    batch: int = 42
    variants: int = 3
    further: int = 40
    trusting: int = 15
    imitate: bool = True


@dataclass(frozen=True)
class Step:
    """What one step came to: geometric means of makespan over HEFT's on three sets of drills."""

    name: str
    practised: float
    other_seeds: float
    other_families: float


@dataclass(frozen=True)
class Tuned:
    """Policies, the best one alone first, and what each step on the way was worth."""

    policies: tuple[Policy, ...]
    curve: tuple[Step, ...] = field(repr=False)


class Practice:
    """The drills of one tuning, and the steps taken so far. `told` hears of each step."""

    def __init__(self, settings: Settings, told: Callable[[Step], None]) -> None:
        self.settings, self.told, self.curve = settings, told, list[Step]()
        streams = np.random.SeedSequence(settings.seed).spawn(6)
        self.rngs = [np.random.default_rng(each) for each in streams]
        self.drills = drills(self.rngs[0], PRACTISED, settings.practice)
        self.small = drills(self.rngs[0], PRACTISED, settings.practice, largest=SMALL)
        self.seeds = drills(self.rngs[1], PRACTISED, settings.checks)
        self.families = drills(self.rngs[2], UNKNOWN, settings.checks)

    def note(self, name: str, *policies: Policy) -> None:
        """Measures the best of these policies and tells it."""
        sets = (self.drills, self.seeds, self.families)
        step = Step(name, *(ratio(each, policies) for each in sets))
        self.curve.append(step)
        self.told(step)


def ratio(over: Sequence[Drill], policies: Sequence[Policy]) -> float:
    """Geometric mean of the makespan of the best of these policies over that of HEFT."""
    return float(np.exp(np.mean([min(each.excess(p) for p in policies) for each in over])))


def tuned(settings: Settings, told: Callable[[Step], None]) -> Tuned:
    """Policies for list scheduling; the same for the same settings. `told` hears of each step."""
    practice = Practice(settings, told)
    best = heft()
    practice.note("heft", best)
    for number in range(1, settings.rounds + 1):
        over = practice.small if number < settings.rounds else practice.drills
        begin = _imitation(practice, over, best, number) if settings.imitate else best
        new = _evolution(practice, over, begin, (), settings.generations)
        practice.note(f"evolution {number}", new)
        if ratio(over, [new]) < ratio(over, [best]):
            best = new
    policies = [best]
    for number in range(2, settings.variants + 1):
        begin = policies[-1]
        policies.append(_evolution(practice, practice.drills, begin, policies, settings.further))
        practice.note(f"{number} policies", *policies)
    doubts = _trust(practice, best)
    return Tuned(tuple(_with(each, doubts) for each in policies), tuple(practice.curve))


def _imitation(practice: Practice, over: Sequence[Drill], best: Policy, number: int) -> Policy:
    """What imitation of the search makes of the best policy, or that policy where it is better."""
    settings, shown = practice.settings, [best] if best.vector.any() else []
    lessons = [lesson(each, shown, evaluations=settings.evaluations, seed=number) for each in over]
    gains = [np.log(each.makespan / each.drill.heft) for each in lessons]
    expert = float(np.exp(np.mean(gains)))
    practice.told(Step(f"expert {number}", expert, np.nan, np.nan))
    new = imitated(lessons, practice.rngs[3], best, steps=settings.steps)
    choosers = [new, policy_of(np.concatenate([best.ranks.ravel(), new.terms.ravel()]))]
    for each in choosers:
        practice.note(f"imitation {number}", each)
    return min([best, *choosers], key=lambda each: ratio(over, [each]))


def _evolution(
    practice: Practice,
    over: Sequence[Drill],
    begin: Policy,
    beside: Sequence[Policy],
    generations: int,
) -> Policy:
    """The policy that, together with those beside it, makes the shortest plans."""
    settings, rng = practice.settings, practice.rngs[4]
    known = [min((each.excess(policy) for policy in beside), default=np.inf) for each in over]
    free = np.ones(begin.vector.size, dtype=bool)
    free[DOUBTS : DOUBTS + len(PLACE)] = False  # the drills have no affinity to learn it from
    batches = _batches(rng, len(over), settings.batch, generations)

    def loss(weights: Floats, generation: int) -> float:
        policy = policy_of(_filled(begin.vector, free, weights))
        batch = batches[generation]
        return float(np.mean([min(known[i], over[i].excess(policy)) for i in batch]))

    evolution = Evolution(
        rng, begin.vector[free], step=0.1, least=0.03, population=settings.population
    )
    return policy_of(_filled(begin.vector, free, evolved(evolution, loss, generations=generations)))


def _trust(practice: Practice, policy: Policy) -> Floats:
    """Weights of the affinity (PLACE) on drills where it knows more, less, or nothing."""
    settings, rng = practice.settings, practice.rngs[5]
    third = max(1, settings.checks // 3)
    unsure = [
        each
        for told in (0.3, 0.8, np.inf)
        for each in unsure_drills(rng, PRACTISED, third, told=told)
    ]

    def loss(weights: Floats, generation: int) -> float:
        del generation
        spread = np.concatenate([weights, np.zeros(len(PLACE) - weights.size)])
        return float(np.mean([each.excess(_with(policy, spread)) for each in unsure]))

    begin = np.zeros(1)
    evolution = Evolution(rng, begin, step=0.1, least=0.01, population=6)
    found = evolved(evolution, loss, generations=settings.trusting)
    better = loss(found, 0) < loss(begin, 0)
    doubts = np.zeros(len(PLACE))
    doubts[0] = found[0] if better else 0.0
    return doubts


def _batches(rng: Generator, count: int, size: int, batches: int) -> list[list[int]]:
    """Drills of each generation: all in turn, in an order that is drawn anew when they are out."""
    drawn: list[int] = []
    while len(drawn) < batches * min(size, count):
        drawn += rng.permutation(count).tolist()
    each = min(size, count)
    return [drawn[i * each : (i + 1) * each] for i in range(batches)]


def _filled(whole: Floats, free: Floats, weights: Floats) -> Floats:
    filled = whole.copy()
    filled[free] = weights
    return filled


def _with(policy: Policy, doubts: Floats) -> Policy:
    vector = policy.vector
    vector[DOUBTS : DOUBTS + len(PLACE)] = doubts
    return policy_of(vector)
