"""The door to tuning: `python -m learner.planning` makes the policies that are shipped."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from learner.planning.drills import PRACTISED, drills
from learner.planning.expert_iteration import Settings, Step, tuned
from learner.planning.gradient import fine_tuned
from scheduler.errors import AllotError
from scheduler.planning.policy import SHIPPED, save


def main(
    output: Annotated[Path, typer.Option(help="Where to write the policies.")] = SHIPPED,
    seed: Annotated[int, typer.Option(help="Of the drills and of all that is drawn.")] = 0,
    imitate: Annotated[bool, typer.Option(help="Learn from the search first.")] = True,
    doubt: Annotated[
        bool, typer.Option(help="Go on with durations that are not what was forecast.")
    ] = False,
) -> None:
    """Tune the learned planner; a few minutes on one core, the same result for the same seed."""
    settings = Settings(seed=seed, imitate=imitate)
    found = tuned(settings, _tell)
    curve, policies = [asdict(each) for each in found.curve], found.policies
    if doubt:
        rng = np.random.default_rng([seed, 1])
        practice = drills(rng, PRACTISED, settings.practice)
        policies = tuple(fine_tuned(p, practice, rng, told=_tell_gain) for p in policies)
    save(output, policies, settings=asdict(settings) | {"doubt": doubt}, curve=curve)


def _tell(step: Step) -> None:
    sys.stderr.write(
        f"{step.name}: {step.practised:.4f} of HEFT's makespan on practised drills, "
        f"{step.other_seeds:.4f} on other seeds, {step.other_families:.4f} on other families\n"
    )


def _tell_gain(name: str, share: float) -> None:
    sys.stderr.write(f"{name}: {share:.4f} of the makespan before, as it comes of plans\n")


if __name__ == "__main__":
    try:
        typer.run(main)
    except AllotError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
