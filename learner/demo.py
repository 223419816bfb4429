"""`allot demo`: the main job from nothing, on this machine, with real work.

Three unlike agents try the tasks of a few small nights, so that what each is good at is measured;
the network learns from that; a larger night is forecast, planned, run, and compared with what came
true, with the naive baseline, and with the same night under FIFO. By then one of the agents has
become slower, which nobody says. Then the loop closes: a round of it learns from those runs,
and the same night is forecast, planned and run once more.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
import typer
from rich.console import Group
from rich.progress import Progress
from rich.table import Table

from scheduler.door import Door, Json, Seed, StoreUrl
from scheduler.processes import user

if TYPE_CHECKING:
    from learner.predictor import NetworkPredictor
    from scheduler.agent import Agent, RunReport
    from scheduler.cluster import Cluster
    from scheduler.execution.events import Event
    from scheduler.forecast import Forecast
    from scheduler.planning.problem import Problem
    from scheduler.planning.schedule import Schedule
    from scheduler.predictors.base import Predictor
    from scheduler.store import Store
    from scheduler.store.values import Attempt
    from scheduler.workflow import Workflow

NIGHTS, NIGHT_TASKS = 3, 26
TURNS = 3  # so that each task visits each of the three agents
GRAND_TASKS, GRAND_REACH = 110, 1.25
EVENINGS = 2  # on which it is run as planned at first: the loop learns of one and judges by both
SLOWED, TIMES = "columns", 3.0  # who has become slower when the grand night comes, and how much
QUANTITIES = {"duration": "duration", "memory": "peak_memory", "cpu": "cpu"}

Result = TypeVar("Result")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


def demo(
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Open the dashboard afterwards.")
    ] = True,
    seed: Seed = None,
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Do the main job from nothing: real work, training, a plan, its run, and the dashboard."""
    began = time.monotonic()
    door = Door.open(json=json, store=store, seed=seed)
    with door.store() as opened, door.progress() as progress:
        found = Demo(door, opened, progress).run()
    seconds = round(time.monotonic() - began, 1)
    document = found | {
        "seconds": seconds,
        "seed": door.settings.seed,
        "store": door.settings.store,
    }
    door.answer(document, _shown(document))
    if serve:
        address = ["--store", door.settings.store]
        os.execv(sys.executable, [sys.executable, "-m", "scheduler", "dashboard", *address])


@dataclass(frozen=True)
class Demo:
    """One telling of the story, into one store."""

    door: Door
    store: "Store"
    progress: Progress

    def run(self) -> dict[str, Any]:
        """From nothing to a compared run; the result is the command's document."""
        from scheduler.execution.executors.ray_cluster import local_ray
        from scheduler.predictors.history import HistoryPredictor
        from scheduler.workloads.office import agents, night

        rng, cluster = np.random.default_rng(self.door.settings.seed), agents()
        nights = [night(f"night {i + 1}", NIGHT_TASKS, rng) for i in range(NIGHTS)]
        grand = night("grand night", GRAND_TASKS, rng, reach=GRAND_REACH)
        before = self.store.record_count()
        with ExitStack() as stack:
            self._during("Starting Ray", lambda: stack.enter_context(local_ray(cluster)))
            self._probe(nights, cluster)
            naive = HistoryPredictor.learn(self.store.records(trusted=True))
            version, learned = self._during("Training the gated network on Ray", self._train)
            tonight = agents(pace={SLOWED: 1 / TIMES})
            found = self._compare(grand, tonight, learned, naive)
            found["slowed"] = {"worker": SLOWED, "times": TIMES}
            found["second_round"] = self._second_round(grand, tonight, learned, naive)
        return {"records": self.store.record_count() - before, "version": version} | found

    def _probe(self, nights: "Sequence[Workflow]", cluster: "Cluster") -> None:
        """Every task of every night on every agent that may take it."""
        from scheduler.planning.problem import Problem
        from scheduler.workloads.probing import nothing_known, probe

        bar = self.progress.add_task(
            "Trying tasks on every agent", total=TURNS * sum(map(len, nights))
        )
        for each in nights:
            problem = Problem(each, cluster, nothing_known(each, cluster))
            for turn in range(TURNS):
                self._agent().carry_out(
                    problem,
                    probe(problem, turn),
                    label="probe",
                    watch=self._watch(bar),
                    owner=user(),
                )

    def _train(self) -> "tuple[str, NetworkPredictor]":
        from learner.predictor import load
        from learner.training.on_ray import train
        from learner.training.settings import TrainingSettings

        settings = TrainingSettings(seed=self.door.settings.seed)
        version = train(self.store, settings, workers=1, clock=self.door.now)
        return version.id, load(self.store, version.id)

    def _compare(
        self, grand: "Workflow", cluster: "Cluster", learned: "Predictor", naive: "Predictor"
    ) -> dict[str, Any]:
        """The grand night under FIFO, and as planned, on two evenings."""
        from scheduler.planning.feasibility import violations
        from scheduler.planning.planners.fifo import Fifo
        from scheduler.planning.planners.heft import Heft

        problem = self._problem(grand, cluster, learned)
        slow, plan = Fifo().plan(problem), Heft().plan(problem)
        fifo, *evenings = (
            self._night(problem, schedule, label)
            for schedule, label in ((slow, "fifo baseline"), *[(plan, "planned")] * EVENINGS)
        )
        planned = evenings[0]
        broken = violations(planned.schedule, problem)
        believed = naive.predict(grand, cluster)
        return {
            "targets": compared(*evenings, naive=believed),
            "targets_of_others": compared(fifo, *evenings, naive=believed, but=SLOWED),
            "schedule": {
                "planner": planned.schedule.planner,
                "tasks": len(grand),
                "makespan": planned.schedule.makespan,
                "lower_bound": planned.schedule.lower_bound,
                "violations": [asdict(each) for each in broken],
            },
            "run": planned.run,
            "evenings": [each.makespan for each in evenings],
            "realised_makespan": sum(each.makespan for each in evenings) / len(evenings),
            "baseline_run": fifo.run,
            "baseline_makespan": fifo.makespan,
            "memory": reserved(grand, *evenings),
            "given_up": {
                task: why for each in (*evenings, fifo) for task, why in each.given_up.items()
            },
        }

    def _second_round(
        self, grand: "Workflow", cluster: "Cluster", first: "NetworkPredictor", naive: "Predictor"
    ) -> dict[str, Any]:
        """The same night by whoever is champion after one round of the loop.

        `error_before` is that of the first round's version, of the very same attempts.
        """
        from learner.loop import LoopSettings, turn
        from learner.predictor import load
        from scheduler.planning.planners.heft import Heft

        settings = LoopSettings(more=1, share=0.0)
        told = self._during(
            "Learning from what happened", lambda: turn(self.store, self.door.now(), settings)
        )
        champion = load(self.store) if "champion" in self.store.aliases() else first
        problem = self._problem(grand, cluster, champion)
        report = self._night(problem, Heft().plan(problem), "second round")
        targets = compared(report, naive=naive.predict(grand, cluster))
        before = compared(report, naive=first.predict(grand, cluster))
        return {
            "loop": told,
            "version": champion.source,
            "run": report.run,
            "targets": {
                name: each | {"error_before": before[name]["baseline_error"]}
                for name, each in targets.items()
            },
            "makespan": report.schedule.makespan,
            "realised_makespan": report.makespan,
            "memory": reserved(grand, report),
            "given_up": dict(report.given_up),
        }

    def _night(self, problem: "Problem", schedule: "Schedule", label: str) -> "RunReport":
        bar = self.progress.add_task(
            f"Running the grand night ({label})", total=len(problem.workflow)
        )
        return self._agent().carry_out(
            problem, schedule, label=label, watch=self._watch(bar), owner=user()
        )

    def _problem(self, grand: "Workflow", cluster: "Cluster", by: "Predictor") -> "Problem":
        """The night as it is forecast, with memory as every run of the product gets it."""
        from scheduler.commands.beliefs import sizing
        from scheduler.planning.problem import Problem
        from scheduler.sizing import with_allocations

        kinds = {task.kind for task in grand.tasks}
        policy = sizing(self.store, now=self.door.now(), kinds=kinds)
        forecast = with_allocations(by.predict(grand, cluster), grand, cluster, policy)
        return Problem(grand, cluster, forecast)

    def _agent(self) -> "Agent":
        from scheduler.agent import Agent
        from scheduler.execution.executors.ray_cluster import RayCluster
        from scheduler.planning.planners.heft import Heft
        from scheduler.predictors.history import HistoryPredictor

        return Agent(HistoryPredictor.learn([]), Heft(), RayCluster(), self.store, self.door.now)

    def _during(self, words: str, act: Callable[[], Result]) -> Result:
        bar = self.progress.add_task(words, total=1)
        result = act()
        self.progress.advance(bar)
        return result

    def _watch(self, bar: Any) -> "Callable[[Event], None]":
        from scheduler.execution.events import AttemptEnded
        from scheduler.records import Outcome

        def watch(event: "Event") -> None:
            if isinstance(event, AttemptEnded) and event.observation.outcome is Outcome.SUCCEEDED:
                self.progress.advance(bar)

        return watch


def compared(
    *reports: "RunReport", naive: "Forecast", but: str = ""
) -> dict[str, dict[str, float]]:
    """By target, how far the forecast of runs lay from what came true, beside the naive one.

    The runs share one forecast; attempts on the worker `but` are left out. `error` is the mean of
    |log(forecast / observed)| over the attempts that succeeded (0.1 is about 10 %); for failure it
    is the Brier score over all attempts.
    """
    from scheduler.records import Outcome

    forecast = reports[0].forecast
    attempts = [each for report in reports for each in report.attempts if each.worker != but]
    good = [
        each
        for each in attempts
        if each.observation is not None and each.observation.outcome is Outcome.SUCCEEDED
    ]
    found = {
        target: {
            "error": _log_error(forecast, good, target),
            "baseline_error": _log_error(naive, good, target),
        }
        for target in QUANTITIES
    }
    failed = [
        each.observation is not None and each.observation.outcome is not Outcome.SUCCEEDED
        for each in attempts
    ]
    return found | {
        "failure": {
            "error": _brier(forecast, attempts, failed),
            "baseline_error": _brier(naive, attempts, failed),
        }
    }


def reserved(workflow: "Workflow", *reports: "RunReport") -> dict[str, float]:
    """Memory-time that runs reserved, in byte seconds, beside what people would have asked for.

    `reserved` is over all attempts, killed ones too; `asked` is what careful people ask for, for
    those that succeeded; `used` their peaks; `killed` how many of the `attempts` ran out of memory.
    """
    from scheduler.records import Outcome
    from scheduler.workloads.office import asked

    ended = [
        (each, each.observation)
        for report in reports
        for each in report.attempts
        if each.observation is not None
    ]
    good = [(each, seen) for each, seen in ended if seen.outcome is Outcome.SUCCEEDED]
    return {
        "reserved": sum(each.allocation.memory * (seen.duration or 0.0) for each, seen in ended),
        "asked": sum(asked(workflow.task(e.task)) * (seen.duration or 0.0) for e, seen in good),
        "used": sum((seen.peak_memory or 0.0) * (seen.duration or 0.0) for _, seen in good),
        "killed": sum(seen.outcome is Outcome.OUT_OF_MEMORY for _, seen in ended),
        "attempts": len(ended),
    }


def _log_error(forecast: "Forecast", attempts: "Sequence[Attempt]", target: str) -> float:
    believed = forecast.at(target, 0.5)[_where(forecast, attempts)]
    observed = np.array(
        [getattr(each.observation, QUANTITIES[target]) for each in attempts], dtype=np.float64
    )
    return float(np.abs(np.log(believed / np.maximum(observed, 1e-9))).mean())


def _brier(forecast: "Forecast", attempts: "Sequence[Attempt]", failed: Sequence[bool]) -> float:
    return float(((forecast.failure[_where(forecast, attempts)] - np.array(failed)) ** 2).mean())


def _where(forecast: "Forecast", attempts: "Sequence[Attempt]") -> tuple[list[int], list[int]]:
    return (
        [forecast.tasks.index(each.task) for each in attempts],
        [forecast.workers.index(each.worker) for each in attempts],
    )


def _shown(document: Mapping[str, Any]) -> Group:
    again = document["second_round"]
    targets = Table(
        "target",
        "network's error",
        "naive error",
        "second round, before learning",
        "second round",
        title="Forecast against what came true",
    )
    for name, each in document["targets"].items():
        later = again["targets"][name]
        errors = each["error"], each["baseline_error"], later["error_before"], later["error"]
        targets.add_row(name, *(f"{error:.3f}" for error in errors))
    plan = document["schedule"]
    makespans = Table("the grand night", "seconds", title=f"{plan['tasks']} tasks on three agents")
    for words, seconds in (
        ("no plan can take less than", plan["lower_bound"]),
        ("planned", plan["makespan"]),
        ("realised", document["realised_makespan"]),
        ("realised under FIFO", document["baseline_makespan"]),
        ("realised in the second round, after learning", again["realised_makespan"]),
    ):
        makespans.add_row(words, f"{seconds:.2f}")
    memory, slowed = document["memory"], document["slowed"]
    held = memory["reserved"] / memory["asked"]
    closing = (
        f"Since that night {slowed['worker']} works {slowed['times']:g} times as slowly, which "
        f"nobody said. {memory['killed']} of {memory['attempts']} attempts killed for memory, "
        f"{1 - held:.0%} less of it reserved than people would have asked for. "
        f"{document['records']} attempts measured, {len(plan['violations'])} rules broken, "
        f"{document['seconds']:.0f} s in all. Kept in {document['store']}."
    )
    return Group(targets, makespans, closing)
