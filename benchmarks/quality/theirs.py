"""Problems drawn by the rivals' own generators, in their interpreter."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.problems import Drawn, least_work
from benchmarks.rivals.saga_asked import INTERPRETER
from scheduler.workloads.graphs import joined, unlike_workers

DRAW = Path(__file__).parent.parent / "rivals" / "saga_draw.py"
CCRS = (0.1, 1.0, 5.0, 10.0)
TREES = (("out_tree", (5, 2)), ("out_tree", (4, 3)), ("in_tree", (5, 2)), ("in_tree", (4, 3)),
         ("chains", (6, 8)), ("chains", (12, 12)))  # fmt: skip
FLOWS = ("etl", "stats", "train", "predict")
WORKERS = (4, 8, 16, 32)
RECIPES = ("blast", "bwa", "cycles", "epigenomics", "genome", "montage", "rnaseq", "seismology",
           "soykb", "srasearch")  # fmt: skip
LONE = ("rnaseq",)  # its tasks do not wait for one another, so that no CCR tells them apart
SIZES = (110, 130, 180, 240)  # tasks; some recipes make no fewer than 106


def theirs() -> tuple[list[Drawn], list[str]]:
    """What they drew, and for each of SAGA and wfcommons that drew nothing, why."""
    wishes = _wishes()
    found = [(wish, each) for wish, each in zip(wishes, _asked(wishes), strict=True)]
    faults = {f"{wish['from']}: {each['fault']}" for wish, each in found if "fault" in each}
    drawn = [as_drawn(wish, each) for wish, each in found if "fault" not in each]
    return drawn, sorted(faults)


def _wishes() -> list[dict[str, Any]]:
    trees = [
        {"from": "saga", "kind": kind, "shape": shape, "workers": WORKERS[(i + k) % 4], "ccr": ccr}
        for i, (kind, shape) in enumerate(TREES)
        for k, ccr in enumerate(CCRS)
    ]
    flows = [{"from": "saga", "kind": kind, "ccr": ccr} for kind in FLOWS for ccr in CCRS]
    recipes = [
        {"from": "wfcommons", "kind": kind, "tasks": SIZES[(i + k) % 4],
         "workers": WORKERS[(i + 3 * k) % 4], "ccr": ccr}
        for i, kind in enumerate(RECIPES)
        for k, ccr in enumerate(CCRS[:1] if kind in LONE else CCRS)
    ]  # fmt: skip
    return [{**wish, "seed": seed} for seed, wish in enumerate([*trees, *flows, *recipes])]


def _asked(wishes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    python = os.environ.get(INTERPRETER, sys.executable)
    done = subprocess.run(
        [python, "-P", str(DRAW)],
        input=json.dumps(wishes),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def as_drawn(wish: dict[str, Any], told: dict[str, Any]) -> Drawn:
    """The problem told, with its family and CCR; recipes go to unlike workers of ours."""
    rng = np.random.default_rng(wish["seed"])
    edges = [(a, b) for a, b, _ in told["edges"]]
    carried = np.array([size for _, _, size in told["edges"]], dtype=float)
    work = np.array(told["work"])
    name = f"{wish['from']} {wish['kind']}"
    if wish["from"] == "wfcommons":
        speed_and_rate = unlike_workers(rng, wish["workers"])
        problem = joined(
            name,
            edges,
            least_work(work),
            np.maximum(carried, 1.0),
            *speed_and_rate,
            ccr=wish["ccr"],
        )
    else:
        speed, rate = np.array(told["speed"]), np.array(told["rate"])
        problem = joined(name, edges, work, carried, speed, rate, ccr=None)
    family = f"{wish['from']} riotbench" if wish["kind"] in FLOWS else name
    return family, 0.0 if wish["kind"] in LONE else wish["ccr"], problem
