"""Unlike workers with cores and memory: the planner against the list it starts from and CP-SAT.

Seeded instances of 30 to 1,000 tasks in layers: whole seconds that differ by worker, 1, 2, 4 or 8
cores and 2 to 16 GB each, on workers of 8 cores and 16 GB; no transfers. At 500 tasks on 16 workers
the longest way leaves hardly any room between the list and any plan, so there the same is asked of
four workflows that run at one time, too.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.planned import checked, planned
from benchmarks.public.psplib import certain
from scheduler.cluster import Cluster, Worker
from scheduler.planning.capacity_search import Arrays, Decoder, from_lists
from scheduler.planning.exact import Effort, Ground, solved
from scheduler.planning.flat import Flat
from scheduler.planning.problem import Problem
from scheduler.workflow import Dependency, Task, Workflow
from scheduler.workloads.synthetic import layered

SIZES = ((30, 4), (50, 4), (100, 8), (200, 8), (500, 16), (1000, 16))
ABREAST = ((500, 16, 4),)  # tasks and workers of so many workflows at one time
SMALL, SHORT, LONG = 100, 5.0, 10.0  # tasks up to which a proof is asked, in fewer seconds
WARM = 0.5  # seconds
SEEDS, QUICK_SIZES = (1, 2, 3), ((30, 4), (100, 8), (200, 8))
GB = 10**9


class Capacity(Benchmark):
    """Makespans of all, each schedule checked, and the gap to the bound that is shown with ours."""

    title = "Unlike workers with cores and memory"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        del data
        for n in (SIZES[0][0], SIZES[-2][0]):
            planned(instance(n, 4, 0), WARM)  # compiles what is measured
        sizes, seeds = (QUICK_SIZES, SEEDS[:1]) if quick else (SIZES, SEEDS)
        rows = {f"{n} x {m}, {s}": _row(instance(n, m, s)) for n, m in sizes for s in seeds}
        for n, m, k in () if quick else ABREAST:
            rows |= {
                f"{n} x {m}, {k} abreast, {s}": _row(instance(n, m, s, workflows=k), abreast=k)
                for s in seeds
            }
        ours = {name: row["ours"] for name, row in rows.items()}
        peers = {name: row["peers"] for name, row in rows.items()}
        return Found(
            work=(
                f"{len(rows)} instances (tasks x workers, seed); {SHORT:g} s up to {SMALL} tasks, "
                f"else {LONG:g} s; CP-SAT of OR-Tools {LONG:g} s on two threads, whole."
            ),
            ours=ours,
            peers=peers,
            goals=_goals(rows),
        )


def instance(n: int, m: int, seed: int, *, workflows: int = 1) -> Problem:
    """One seeded instance; several workflows share the tasks evenly and wait for no other."""
    rng = np.random.default_rng([n, m, seed])
    tasks: list[Task] = []
    edges: list[Dependency] = []
    for part in range(workflows):
        graph = layered(rng, n // workflows)
        name = {each.id: f"{part + 1}.{each.id}" for each in graph.tasks}
        tasks += [
            Task(
                id=name[each.id],
                kind=each.kind,
                cores=float(rng.choice([1, 2, 4, 8])),
                memory=int(rng.choice([2, 4, 8, 16])) * GB,
            )
            for each in graph.tasks
        ]
        edges += [Dependency(name[each.source], name[each.target]) for each in graph.dependencies]
    workers = [Worker(name=f"w{i}", cores=8.0, memory=16 * GB) for i in range(m)]
    seconds = rng.integers(5, 41, n)[:, None] * rng.lognormal(0.0, 0.4, (n, m))
    workflow = Workflow(f"capacity-{n}x{m}-{workflows}-{seed}", tasks, edges)
    return certain(workflow, Cluster(workflow.name, workers), np.ceil(seconds))


def _row(problem: Problem, *, abreast: int = 1) -> Mapping[str, Any]:
    n = len(problem.workflow)
    lists = from_lists(problem)
    for each in lists:
        checked(problem, each)
    listed = float(lists[0].end.max())
    ours = planned(problem, SHORT if n <= SMALL else LONG)
    gap = ours.makespan / ours.bound - 1
    told = {
        "tasks": n,
        "workflows": abreast,
        "makespan": ours.makespan,
        "lower bound": ours.bound,
        "gap": gap,
        "proved": "yes" if gap <= 1e-6 else "no",
        "below the list": 1 - ours.makespan / listed,
        "no plan is farther below": 1 - ours.bound / listed,
        "seconds": ours.seconds,
    }
    others = {
        "earliest finish list": listed,
        "CP-SAT cold": _alone(problem, lists[0], hinted=False),
        "CP-SAT hinted": _alone(problem, lists[0], hinted=True),
    }
    return {"ours": told, "peers": others}


def _alone(problem: Problem, plan: Arrays, *, hinted: bool) -> float | str:
    """CP-SAT's makespan by itself, or `none`; cold it knows no plan and no makespan."""
    flat = problem.flat
    side = np.zeros(len(flat.row), dtype=np.int64)
    last = float(plan.end.max()) if hinted else _longest(flat)
    ground = Ground(plan.worker, plan.start, plan.end, plan.start, side, last)
    effort = Effort(deterministic=1e9, seconds=LONG, searches=2, parallel=True, hinted=hinted)
    begun = time.perf_counter()
    answer = solved(flat, ground, effort)
    if answer.start is None:
        return f"none in {time.perf_counter() - begun:.0f} s"
    found = Decoder(flat).earliest(answer.worker, answer.start)
    checked(problem, found)
    took = flat.duration[flat.row, :][np.arange(len(side)), answer.worker]
    return float((answer.start + took).max())


def _longest(flat: Flat) -> float:
    seconds = flat.duration[flat.row]
    return float(np.where(np.isfinite(seconds), seconds, 0.0).max(axis=1).sum())


def _goals(rows: Mapping[str, Mapping[str, Any]]) -> tuple[Goal, ...]:
    small = [row["ours"] for row in rows.values() if row["ours"]["tasks"] <= SMALL]
    large = [row["ours"] for row in rows.values() if row["ours"]["tasks"] > SMALL]
    worst = max(each["gap"] for each in small)
    shares: dict[str, list[tuple[float, float]]] = {}
    for each in large:
        found = each["below the list"], each["no plan is farther below"]
        abreast = f", {each['workflows']} workflows at once" if each["workflows"] > 1 else ""
        shares.setdefault(f"n = {each['tasks']:,}{abreast}", []).append(found)
    slow = max(each["seconds"] for each in small)
    return (
        Goal(
            f"n <= {SMALL}: largest gap to the bound",
            f"optimum or <= 1 % in {SHORT:g} s",
            f"{worst:.2%} in {slow:.1f} s",
            worst <= 0.01,
        ),
        *(
            Goal(
                f"{name}: below the earliest finish list",
                f">= 5 % in {LONG:g} s",
                f"{mean:.1%} (no plan is more than {most:.1%} below, by the bound)",
                bool(mean >= 0.05),
            )
            for name, (mean, most) in (
                (name, np.mean(each, axis=0)) for name, each in shares.items()
            )
        ),
        Goal("never without a plan", "all", f"all of {len(rows)}", True),
    )
