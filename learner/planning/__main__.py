"""The door to tuning: `python -m learner.planning` makes the policies that are shipped."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from learner.planning.expert_iteration import Settings, Step, tuned
from scheduler.errors import AllotError
from scheduler.planning.policy import SHIPPED, save


def main(
    output: Annotated[Path, typer.Option(help="Where to write the policies.")] = SHIPPED,
    seed: Annotated[int, typer.Option(help="Of the drills and of all that is drawn.")] = 0,
    imitate: Annotated[bool, typer.Option(help="Learn from the search first.")] = True,
) -> None:
    """Tune the learned planner; a few minutes on one core, the same result for the same seed."""
    settings = Settings(seed=seed, imitate=imitate)
    found = tuned(settings, _tell)
    curve = [asdict(each) for each in found.curve]
    save(output, found.policies, settings=asdict(settings), curve=curve)


def _tell(step: Step) -> None:
    sys.stderr.write(
        f"{step.name}: {step.practised:.4f} of HEFT's makespan on practised drills, "
        f"{step.other_seeds:.4f} on other seeds, {step.other_families:.4f} on other families\n"
    )


if __name__ == "__main__":
    try:
        typer.run(main)
    except AllotError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
