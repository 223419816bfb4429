"""ASlib: which solver should take which instance, one choice each, features for nothing.

Each scenario in the ten folds of its authors; every solver ran on every instance, so the
cost of every choice is exact; a run without an answer costs ten cut-offs (PAR10). Gap closed: the
share of the way from the solver that was best on the training folds (0) to the best solver of each
instance (1); means over seeds, intervals from instances drawn again. Ours is the product's policy,
`learner/policy.py`; the networks are the product's too, with each solver a target of the sharing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.public.aslib import Scenario, read
from benchmarks.rivals import solvers_others as others
from learner.policy import Policy, relative
from learner.policy_features import Encoding
from learner.policy_network import PolicyNetwork, PolicyNetworkSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Learner = Callable[[Floats, Floats, Floats, int], Floats]
SEEDS = (0, 1, 2)
NETS = 2  # seeds of the networks that are only compared with each other
QUICK = 2  # scenarios with the fewest runs
RIVAL = "ET shared, raw PAR10"
DRAWS = 1000
SHARINGS = {"gated": "mmoe", "hard": "hard", "single nets": "separate"}


@dataclass
class Outcome:
    """What one learner chose: scenario by scenario, the cost of each seed's choices."""

    paid: dict[str, list[Floats]] = field(default_factory=dict)
    cpu: float = 0.0


@dataclass(frozen=True)
class Bounds:
    """What the single best of the training folds, and an oracle, would have paid."""

    single: Floats
    oracle: Floats

    def closed(self, paid: Floats, rows: Ints | slice = slice(None)) -> float:
        """The share of the way from the single best to the oracle."""
        single, oracle = self.single[rows].mean(), self.oracle[rows].mean()
        return float((single - paid[rows].mean()) / (single - oracle))


def ours(features: Floats, cost: Floats, new: Floats, seed: int) -> Floats:
    """The product's policy with its defaults."""
    return Policy.fit(features, cost, seed=seed).costs(new)


def network(sharing: str) -> Learner:
    """A network of the product's on the same columns and costs, workers sharing as told."""
    settings = PolicyNetworkSettings(sharing=sharing)

    def learner(features: Floats, cost: Floats, new: Floats, seed: int) -> Floats:
        encoding = Encoding.fit(features)
        apart, _ = relative(cost)
        told = PolicyNetwork.fit(encoding.apply(features), apart / apart.std(), settings, seed=seed)
        return told.costs(encoding.apply(new))

    return learner


def part(data: Path, quick: bool) -> Part:
    """All learners on all scenarios; quick is two small ones, one seed, and fewer rivals."""
    scenarios = read(data)
    if quick:
        scenarios = sorted(scenarios, key=lambda each: each.seconds.size)[:QUICK]
    seeds = SEEDS[:1] if quick else SEEDS
    bounds = {s.name: bounds_of(s) for s in scenarios}
    mine = {"ours": chosen(ours, scenarios, seeds)}
    mine |= {f"net, {n}": chosen(network(s), scenarios, seeds[:NETS]) for n, s in SHARINGS.items()}
    peers = {name: chosen(each, scenarios, seeds[:1]) for name, each in _peers(quick).items()}
    rows = {f"solvers: {n}": _row(each, bounds) for n, each in mine.items()}
    found = {f"solvers: {n}": _row(each, bounds) for n, each in peers.items()}
    return Part(
        ours=rows,
        peers=found,
        ratios=_ratios(mine["ours"], peers, bounds),
        goals=(*_goals(mine, bounds), _pace(scenarios)),
    )


def _peers(quick: bool) -> dict[str, Learner]:
    peers: dict[str, Learner] = {
        "single best": others.single_best,
        "ten nearest": others.neighbours,
    }
    if others.able("sklearn"):
        peers |= {RIVAL: others.extra_trees}
    if others.able("sklearn") and not quick:
        peers |= {"pairwise RF": others.pairwise}
    if others.able("lightgbm") and not quick:
        peers |= {"LightGBM per solver, log": others.boosted}
    return peers


def bounds_of(scenario: Scenario) -> Bounds:
    """Both bounds, instance by instance."""
    cost = scenario.par10()
    single = np.empty(len(cost))
    for train, test in scenario.folds():
        single[test] = cost[test, cost[train].mean(0).argmin()]
    return Bounds(single, cost.min(1))


def chosen(learner: Learner, scenarios: Sequence[Scenario], seeds: Sequence[int]) -> Outcome:
    """What a learner pays, fold by fold and seed by seed."""
    outcome = Outcome()
    for scenario in scenarios:
        cost = scenario.par10()
        for seed in seeds:
            began = process_time()
            place = np.empty(len(cost), dtype=np.int64)
            for fold, (train, test) in enumerate(scenario.folds()):
                known, asked = scenario.features[train], scenario.features[test]
                told = learner(known, cost[train] / scenario.cutoff, asked, 100 * seed + fold)
                place[test] = told.argmin(1)
            outcome.cpu += (process_time() - began) / len(seeds)
            paid = np.take_along_axis(cost, place[:, None], axis=1)[:, 0]
            outcome.paid.setdefault(scenario.name, []).append(paid)
    return outcome


def _row(outcome: Outcome, bounds: Mapping[str, Bounds]) -> dict[str, Any]:
    gaps = {name: by_seed(outcome, bounds, name) for name in outcome.paid}
    means = np.mean(list(gaps.values()), axis=0)
    low, high = np.quantile(resampled(outcome, bounds), [0.05, 0.95])
    return {
        **{name: float(each.mean()) for name, each in gaps.items()},
        "mean": float(means.mean()),
        "90 % interval": f"{low:.3f} to {high:.3f}",
        "spread of seeds": float(means.std()),
        "CPU s, all fits": outcome.cpu,
    }


def by_seed(outcome: Outcome, bounds: Mapping[str, Bounds], name: str) -> Floats:
    """The gap closed in one scenario. Shape: seeds."""
    return np.array([bounds[name].closed(paid) for paid in outcome.paid[name]])


def resampled(outcome: Outcome, bounds: Mapping[str, Bounds]) -> Floats:
    """The mean gap closed, instances drawn again with replacement, alike for every learner."""
    rng = np.random.default_rng(0)
    total = np.zeros(DRAWS)
    for name, paid in sorted(outcome.paid.items()):
        mean = np.mean(paid, axis=0)
        rows = rng.integers(len(mean), size=(DRAWS, len(mean)))
        total += [bounds[name].closed(mean, each) for each in rows]
    return total / len(outcome.paid)


def _ratios(
    mine: Outcome, peers: Mapping[str, Outcome], bounds: Mapping[str, Bounds]
) -> dict[str, float]:
    """Ours less each rival, on the same instances: the mean, and how often it is above zero."""
    found = {}
    for name, each in peers.items():
        apart = resampled(mine, bounds) - resampled(each, bounds)
        found[f"solvers: ours less {name}"] = float(apart.mean())
        found[f"solvers: ours above {name}, share of draws"] = float((apart > 0).mean())
    return found


def _goals(mine: Mapping[str, Outcome], bounds: Mapping[str, Bounds]) -> tuple[Goal, ...]:
    means = {name: mean_closed(each, bounds) for name, each in mine.items()}
    gaps = {name: float(by_seed(mine["ours"], bounds, name).mean()) for name in bounds}
    worst = min(gaps, key=gaps.__getitem__)
    gated, cpu = means["net, gated"], mine["ours"].cpu
    return (
        Goal("solvers: gap closed, mean", ">= 0.73", f"{means['ours']:.3f}", means["ours"] >= 0.73),
        Goal(
            "solvers: no scenario below the single best",
            ">= 0",
            f"{gaps[worst]:.3f} ({worst})",
            gaps[worst] >= 0,
        ),
        *(
            Goal(
                f"solvers: gated network and {name}",
                f">= {means[f'net, {name}']:.3f}",
                f"{gated:.3f}",
                gated >= means[f"net, {name}"],
            )
            for name in ("hard", "single nets")
        ),
        Goal("solvers: CPU s, all fits", "<= 120", f"{cpu:.0f}", cpu <= 120),
    )


def _pace(scenarios: Sequence[Scenario]) -> Goal:
    """Milliseconds a choice where there are most solvers, a fold at a time."""
    widest = max(scenarios, key=lambda each: len(each.solvers))
    train, test = next(widest.folds())
    policy = Policy.fit(widest.features[train], widest.par10()[train])
    policy.choose(widest.features[test])
    began = perf_counter()
    policy.choose(widest.features[test])
    pace = 1000 * (perf_counter() - began) / len(test)
    return Goal("solvers: milliseconds a choice", "<= 1", f"{pace:.2f}", pace <= 1)


def mean_closed(outcome: Outcome, bounds: Mapping[str, Bounds]) -> float:
    """The gap closed, over seeds and scenarios."""
    return float(np.mean([by_seed(outcome, bounds, name).mean() for name in outcome.paid]))
