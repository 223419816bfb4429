"""The main job from nothing, over several seeds, each in a store of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import uncertain
from benchmarks.base import Benchmark, Found, Goal, Part, combined

SEEDS = (1, 2, 3, 4, 5)
LEAST_RECORDS, MOST_SECONDS = 400, 180
LEAST_SAVED, MOST_KILLED = 0.3, 0.01
Told = Mapping[str, Any]  # the document of a demo

WORK = (
    "`allot demo --no-serve --json`, each time with a new store: real tasks on three unlike agents "
    "through Ray, training, a larger workflow forecast, planned, run on two evenings, and under "
    "FIFO, when one agent has become 3 times as slow, which nobody says; a round of the loop, and "
    "the same workflow once more. What people would ask of memory is, by kind, what the largest "
    "task takes on the agent that takes most, rounded up to the next 25 MB. And simulated runs of "
    "12 families of workflows, 80 tasks on 8 unlike workers, with log-normal durations (CV 0.3 to "
    "0.5) and "
    "failures, planned from medians."
)


class EndToEnd(Benchmark):
    """`allot demo` as a user runs it, and runs whose durations nobody knows beforehand."""

    title = "the demo from nothing, and runs under uncertainty"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  makes its own work
        """One demo a seed, then simulated worlds; raises when a plan breaks a rule."""
        return combined(WORK, [self._demos(quick=quick), uncertain.part(quick=quick)])

    def _demos(self, *, quick: bool) -> Part:
        told = {seed: _demo(seed) for seed in (SEEDS[:1] if quick else SEEDS)}
        for seed, each in told.items():
            assert each["schedule"]["violations"] == [], f"the plan of seed {seed} breaks rules"
        rows = {f"seed {seed}": _row(each) for seed, each in told.items()}
        ratio = {
            f"seed {seed}: realised over FIFO": each["realised_makespan"]
            / each["baseline_makespan"]
            for seed, each in told.items()
        }
        return Part(
            ours=rows,
            goals=_goals(list(told.values())),
            ratios=ratio,
        )


def _demo(seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "demo",
            "--no-serve",
            "--json",
            "--seed",
            str(seed),
            "--store",
            f"sqlite:///{folder}/allot.db",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "scheduler", *words], capture_output=True, text=True, check=True
        )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _row(told: Told) -> dict[str, Any]:
    errors = {
        f"{name} error (naive)": f"{each['error']:.3f} ({each['baseline_error']:.3f})"
        for name, each in told["targets"].items()
    }
    again = told["second_round"]
    return {
        "records": told["records"],
        **errors,
        "lower bound": told["schedule"]["lower_bound"],
        "planned": told["schedule"]["makespan"],
        "realised": told["realised_makespan"],
        "FIFO": told["baseline_makespan"],
        "second round: duration error (before learning)": (
            f"{again['targets']['duration']['error']:.3f} "
            f"({again['targets']['duration']['error_before']:.3f})"
        ),
        "second round: realised": again["realised_makespan"],
        "memory-time saved": 1 - _held([told]),
        "killed for memory": sum(each["killed"] for each in _memory([told])),
        "seconds": told["seconds"],
    }


def _goals(told: Sequence[Told]) -> tuple[Goal, ...]:
    records, seconds = [each["records"] for each in told], [each["seconds"] for each in told]
    faster = sum(each["realised_makespan"] < each["baseline_makespan"] for each in told)
    better = {
        name: sum(
            each["targets"][name]["error"] < each["targets"][name]["baseline_error"]
            for each in told
        )
        for name in ("duration", "memory")
    }
    return (
        Goal(
            "attempts measured",
            f">= {LEAST_RECORDS}",
            f"{min(records)} to {max(records)}",
            min(records) >= LEAST_RECORDS,
        ),
        Goal("rules broken by the plan", "0", "0", met=True),
        *(
            _every(f"{name}: less error than the naive baseline", count, told)
            for name, count in better.items()
        ),
        Goal(
            "realised makespan below FIFO's",
            "most seeds",
            f"{faster} of {len(told)}",
            faster * 2 > len(told),
        ),
        *_second_rounds(told),
        *_memory_goals(told),
        Goal(
            "seconds in all",
            f"< {MOST_SECONDS}",
            f"{min(seconds):.0f} to {max(seconds):.0f}",
            max(seconds) < MOST_SECONDS,
        ),
    )


def _second_rounds(told: Sequence[Told]) -> tuple[Goal, ...]:
    """The same night before and after a round of the loop."""
    pairs = [(each, each["second_round"]) for each in told]
    errors = [
        (first["targets"]["duration"]["error"], again["targets"]["duration"])
        for first, again in pairs
    ]
    surer = sum(again["error"] < first for first, again in errors)
    learned = sum(again["error"] < again["error_before"] for _, again in errors)
    ratios = [again["realised_makespan"] / first["realised_makespan"] for first, again in pairs]
    shorter = sum(each < 1 for each in ratios)
    return (
        _every("second round: less error of the duration than in the first", surer, told),
        _every("second round: less than what the first version says of it", learned, told),
        Goal(
            "second round: realised makespan below the first's",
            "every seed",
            f"{shorter} of {len(told)}, {1 - sum(ratios) / len(ratios):.0%} in the mean",
            shorter == len(told),
        ),
    )


def _every(name: str, count: int, told: Sequence[Told]) -> Goal:
    return Goal(name, "every seed", f"{count} of {len(told)}", count == len(told))


def _memory_goals(told: Sequence[Told]) -> tuple[Goal, ...]:
    """What planned runs reserve, killed attempts included, beside what people would ask for."""
    saved = [1 - _held([each]) for each in told]
    killed, attempts = (
        sum(each[name] for each in _memory(told)) for name in ("killed", "attempts")
    )
    return (
        Goal(
            "memory-time reserved below what people ask for",
            f">= {LEAST_SAVED:.0%}",
            f"{min(saved):.1%} to {max(saved):.1%}",
            min(saved) >= LEAST_SAVED,
        ),
        Goal(
            "attempts killed for memory",
            f"<= {MOST_KILLED:.0%}",
            f"{killed} of {attempts}",
            killed <= MOST_KILLED * attempts,
        ),
    )


def _memory(told: Sequence[Told]) -> list[dict[str, Any]]:
    """Of both rounds of each demo."""
    return [each["memory"] for pair in told for each in (pair, pair["second_round"])]


def _held(told: Sequence[Told]) -> float:
    """Memory-time reserved, over what people would ask for."""
    memory = _memory(told)
    return float(sum(e["reserved"] for e in memory) / sum(e["asked"] for e in memory))
