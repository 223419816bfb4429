"""Resource-constrained projects and flexible job shops, by the planner of shared workers and pools.

A project is a workflow on one worker that is never full, with its resources as pools; a flexible
job shop is chains on workers that take one task at a time. A sample must hold as many instances of
each group of parameters: the groups go round in how scarce the resources are, so that every second
one would be all hard and all easy ones without those between.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.planned import Planned, planned
from benchmarks.public import fjsp, psplib
from benchmarks.public.psplib import Known
from scheduler.errors import InvalidInput

SECONDS = {"j30": 5.0, "j60": 15.0, "j120": 30.0, "Brandimarte": 30.0}
SAMPLE = {"j30": 48, "j60": 48, "j120": 60, "Brandimarte": 10}  # one of each group of parameters
QUICK = {"j30": 3, "j60": 3, "j120": 3, "Brandimarte": 2}
QUICK_SECONDS = {"j30": 3.0, "j60": 6.0, "j120": 8.0, "Brandimarte": 8.0}
WARM = 0.5  # seconds
PEERS = {
    "CP Optimizer, 600 s x 4 threads (its makers' figures, whole sets)": {
        "j30": 0.0,
        "j60": 0.00087,
        "j120": 0.00799,
    },
    "OptalCP, 600 s x 4 threads (likewise)": {"j30": 0.0, "j60": 0.0003, "j120": 0.00527},
}


class Rcpsp(Benchmark):
    """Gap to the best known makespan, each plan checked by the rules of its problem."""

    title = "Project scheduling and flexible job shops by the same planner"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        if data is None:
            raise InvalidInput("The benchmark rcpsp needs --data with psplib and fjsp.")
        sample, seconds = (QUICK, QUICK_SECONDS) if quick else (SAMPLE, SECONDS)
        for group in SAMPLE:
            _group(data, group, 1, WARM)  # compiles what is measured
        ours = {group: _group(data, group, sample[group], seconds[group]) for group in SAMPLE}
        what = ", ".join(f"{sample[g]} of {g} in {seconds[g]:g} s each" for g in SAMPLE)
        return Found(
            work=f"Instances evenly over each set: {what}; best known from the sets.",
            ours=ours,
            peers=PEERS,
            goals=_goals(ours),
        )


def _group(data: Path, group: str, count: int, seconds: float) -> Mapping[str, Any]:
    if group == "Brandimarte":
        names, known = spread(fjsp.instances(data), count), fjsp.known(data)
        found = {name: planned(fjsp.read(data, name), seconds) for name in names}
    else:
        names, known = spread(psplib.instances(data, group), count), psplib.known(data, group)
        found = {name: planned(psplib.read(data, group, name), seconds) for name in names}
    return _told(found, known)


def spread(names: Sequence[str], count: int) -> list[str]:
    """So many of the names, evenly over all of them, the first among them."""
    rows = np.linspace(0, len(names), min(count, len(names)), endpoint=False)
    return [names[int(row)] for row in rows]


def _told(found: Mapping[str, Planned], known: Mapping[str, Known]) -> Mapping[str, Any]:
    gaps = [each.over(known[name]) for name, each in found.items()]
    proved = [each.makespan <= each.bound * (1 + 1e-6) for each in found.values()]
    best = [each.makespan <= known[name].best for name, each in found.items()]
    worst = max(found, key=lambda name: found[name].over(known[name]))
    return {
        "instances": len(found),
        "mean gap": float(np.mean(gaps)),
        "best known reached": sum(best),
        "proved optimal": sum(proved),
        "most seconds": max(each.seconds for each in found.values()),
        "mean gap to our bound": float(np.mean([e.makespan / e.bound - 1 for e in found.values()])),
        "worst": f"{worst}: {found[worst].makespan:g} against {known[worst].best:g}",
    }


def _goals(ours: Mapping[str, Mapping[str, Any]]) -> tuple[Goal, ...]:
    j30 = ours["j30"]
    all_of = j30["best known reached"] == j30["instances"]
    found = f"{j30['best known reached']} of {j30['instances']}, {j30['most seconds']:.1f} s"
    asked = {"j60": 0.003, "j120": 0.010, "Brandimarte": 0.010}
    return (
        Goal("j30: all optimal", "in <= 5 s each", found, all_of),
        *(
            Goal(
                f"{group}: mean gap to the best known",
                f"<= {goal:.1%}",
                f"{ours[group]['mean gap']:.2%}",
                ours[group]["mean gap"] <= goal,
            )
            for group, goal in asked.items()
        ),
    )
