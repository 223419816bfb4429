"""Policy learning: fine-tuned in the simulator, beyond the imitation that it starts from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.uncertain import World, carried_out, world
from learner.planning.drills import PRACTISED, drills
from learner.planning.gradient import Tuning, fine_tuned, reinforced
from learner.planning.imitation import imitated, lesson
from scheduler.planning.feasibility import violations
from scheduler.planning.listing import placed
from scheduler.planning.policy import Policy, heft
from scheduler.planning.policy_view import learned
from scheduler.planning.schedule import Schedule

DRILLS, LARGEST, EVALUATIONS, STEPS = 56, 120, 400, 300
WORLDS = 36
IMITATED, TUNED, GRADIENT = "imitation", "fine-tuned", "policy gradient alone"
Floats = NDArray[np.float64]


def part(data: Path | None, *, quick: bool) -> Part:
    """Realised makespans in worlds whose durations no forecast knew, each policy planning once."""
    del data
    rows: dict[str, list[Floats]] = {}
    for seed in range(1 if quick else 5):
        worlds = [world(1000 * seed + i) for i in range(12 if quick else WORLDS)]
        for name, policy in _policies(seed).items():
            found = np.array([_realised(each, policy) for each in worlds])
            rows.setdefault(name, []).append(found)
    ratios = {
        f"policy: {name} over {IMITATED}": _ratio(found, rows[IMITATED])
        for name, found in rows.items()
        if name != IMITATED
    }
    each = [_ratio([new], [old]) for new, old in zip(rows[TUNED], rows[IMITATED], strict=True)]
    share, spread = ratios[f"policy: {TUNED} over {IMITATED}"], _spread(rows)
    return Part(
        ours={
            f"policy: {name}": {
                "realised makespan": float(np.mean(found)),
                "over HEFT's": _ratio(found, rows["HEFT"]),
            }
            for name, found in rows.items()
        }
        | {f"policy: {TUNED} over {IMITATED}, by seed": [round(one, 4) for one in each]},
        ratios=ratios,
        goals=(
            Goal(
                "policy: realised makespan under uncertainty over the imitation's",
                "< 1",
                f"{share:.3f} (standard error {spread:.3f})",
                share < 1,
            ),
        ),
    )


def _policies(seed: int) -> dict[str, Policy]:
    rng = np.random.default_rng([seed, 41])
    practice = drills(rng, PRACTISED, DRILLS, largest=LARGEST)
    lessons = [lesson(each, [], evaluations=EVALUATIONS, seed=seed) for each in practice]
    begun = imitated(lessons, rng, heft(), steps=STEPS)
    views = [each.view for each in practice]
    return {
        "HEFT": heft(),
        IMITATED: begun,
        GRADIENT: reinforced(begun, views, rng, Tuning()),
        TUNED: fine_tuned(begun, practice, rng),
    }


def _realised(true: World, policy: Policy) -> float:
    """The makespan that comes of the policy's plan, which breaks no rule."""
    plan = learned(true.problem, [policy])[0]
    rows = placed(true.problem, plan.worker, plan.start, plan.end)
    schedule = Schedule(rows, planner="learned")
    if broken := violations(schedule, true.problem):
        raise ValueError(f"the plan of a policy broke a rule: {broken[0]}")
    return carried_out(true, schedule)


def _ratio(ours: Sequence[Floats], theirs: Sequence[Floats]) -> float:
    logs = np.log(np.concatenate(ours)) - np.log(np.concatenate(theirs))
    return float(np.exp(logs.mean()))


def _spread(rows: dict[str, list[Floats]]) -> float:
    """The standard error of the mean logarithm of the ratio, over all worlds."""
    logs = np.log(np.concatenate(rows[TUNED])) - np.log(np.concatenate(rows[IMITATED]))
    return float(logs.std() / np.sqrt(len(logs)))
