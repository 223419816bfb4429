"""The problems on which plans are compared: enough of them, and theirs as they drew them."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import theirs
from benchmarks.quality.problems import ours
from benchmarks.rivals.saga_asked import INTERPRETER


def test_ours_are_of_every_family_at_every_ratio_on_4_to_64_workers() -> None:
    drawn = list(ours())
    assert len({family for family, _, _ in drawn}) >= 10
    assert len(set(Counter(ccr for _, ccr, _ in drawn).values())) == 1
    assert {len(problem.cluster) for _, _, problem in drawn} >= {4, 8, 16, 32, 64}


def test_what_a_rival_drew_keeps_its_work_speeds_sizes_and_links() -> None:
    wish = {"from": "saga", "kind": "chains", "ccr": 5.0, "seed": 3}
    told = {
        "work": [2.0, 6.0],
        "edges": [[0, 1, 8.0]],
        "speed": [1.0, 2.0],
        "rate": [[1.0, 4.0], [4.0, 1.0]],
    }
    family, ccr, problem = theirs.as_drawn(wish, told)
    assert (family, ccr) == ("saga chains", 5.0)
    assert np.array_equal(problem.duration, [[2.0, 1.0], [6.0, 3.0]])
    flat = problem.flat
    assert flat.before_bytes[0] * flat.per_byte[0, 1] == pytest.approx(2.0)


def test_a_recipe_goes_to_unlike_workers_at_the_ratio_asked_for() -> None:
    wish = {"from": "wfcommons", "kind": "blast", "workers": 4, "ccr": 2.0, "seed": 3}
    told = {"work": [5.0, 0.0, 7.0], "edges": [[0, 1, 10.0], [0, 2, 30.0]]}
    _, _, problem = theirs.as_drawn(wish, told)
    flat, away = problem.flat, ~np.eye(4, dtype=bool)
    transfer = flat.before_bytes.mean() * flat.per_byte[away].mean()
    assert transfer / problem.duration.mean() == pytest.approx(2.0)
    assert (problem.duration > 0).all()


def test_rivals_that_are_missing_are_said_to_have_drawn_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without = tmp_path / "without.py"
    without.write_text(
        "import json, sys\n"
        "print(json.dumps([{'fault': 'none here'} for _ in json.load(sys.stdin)]))"
    )
    monkeypatch.setenv(INTERPRETER, sys.executable)
    monkeypatch.setattr(theirs, "DRAW", without)
    assert theirs.theirs() == ([], ["saga: none here", "wfcommons: none here"])
