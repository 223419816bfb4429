"""The main job from nothing, over several seeds, each in a store of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import uncertain
from benchmarks.base import Benchmark, Found, Goal, Part, combined

SEEDS = (1, 2, 3, 4, 5)
LEAST_RECORDS, MOST_SECONDS = 400, 180


WORK = (
    "`allot demo --no-serve --json`, each time with a new store: real tasks on three unlike agents "
    "through Ray, training, a larger workflow forecast, planned, run, and run again under FIFO; "
    "and simulated runs of 12 families of workflows, 80 tasks on 8 unlike workers, with log-normal "
    "durations (CV 0.3 to 0.5) and failures, planned from medians."
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


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    errors = {
        f"{name} error (naive)": f"{each['error']:.3f} ({each['baseline_error']:.3f})"
        for name, each in told["targets"].items()
    }
    return {
        "records": told["records"],
        **errors,
        "lower bound": told["schedule"]["lower_bound"],
        "planned": told["schedule"]["makespan"],
        "realised": told["realised_makespan"],
        "FIFO": told["baseline_makespan"],
        "second round: duration error": told["second_round"]["targets"]["duration"]["error"],
        "second round: realised": told["second_round"]["realised_makespan"],
        "seconds": told["seconds"],
    }


def _goals(told: list[dict[str, Any]]) -> tuple[Goal, ...]:
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
            Goal(
                f"{name}: less error than the naive baseline",
                "every seed",
                f"{count} of {len(told)}",
                count == len(told),
            )
            for name, count in better.items()
        ),
        Goal(
            "realised makespan below FIFO's",
            "most seeds",
            f"{faster} of {len(told)}",
            faster * 2 > len(told),
        ),
        *_second_rounds(told),
        Goal(
            "seconds in all",
            f"< {MOST_SECONDS}",
            f"{min(seconds):.0f} to {max(seconds):.0f}",
            max(seconds) < MOST_SECONDS,
        ),
    )


def _second_rounds(told: list[dict[str, Any]]) -> tuple[Goal, ...]:
    """The same night before and after a round of the loop."""
    again = [each["second_round"] for each in told]
    surer = sum(
        after["targets"]["duration"]["error"] < before["targets"]["duration"]["error"]
        for before, after in zip(told, again, strict=True)
    )
    ratios = [
        after["realised_makespan"] / before["realised_makespan"]
        for before, after in zip(told, again, strict=True)
    ]
    mean = sum(ratios) / len(ratios)
    shorter = sum(each < 1 for each in ratios)
    return (
        Goal(
            "second round: less error of the duration than the first",
            "every seed",
            f"{surer} of {len(told)}",
            surer == len(told),
        ),
        Goal(
            "second round: realised makespan over the first's",
            "< 1 in the mean",
            f"{mean:.3f}, shorter in {shorter} of {len(told)}",
            mean < 1,
        ),
    )
