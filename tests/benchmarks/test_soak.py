"""The sums of the soak: what landed, what it broke, and controls that must do harm."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import soak
from benchmarks.soak import Chunk, chunks, summed

LONG = chunks(quick=False)


def told(**more: Any) -> dict[str, Any]:
    clean = {"seed": 1, "landed": 50, "ways": {"locked": 50}, "tasks": 240, "back_longest": 2.5}
    return {**clean, "lost": [], "double_starts": [], "kept_twice": [], "wrong_ends": [], **more}


def all_told(**more: Any) -> dict[Chunk, dict[str, Any]]:
    """Long forms in which all is well, but for what is given of the first chunk."""
    landed = {"agent": 60, "store": 50}
    found = {
        each: told(double_starts=["run1 t1"])
        if each.control
        else told(landed=landed.get(each.family) or int(each.options[1]))
        for each in LONG
    }
    return {**found, LONG[0]: {**found[LONG[0]], **more}}


def met(found: Any) -> dict[str, bool]:
    return {goal.name: goal.met for goal in found.goals}


def test_no_two_chunks_share_a_name() -> None:
    for quick in (True, False):
        names = [each.name for each in chunks(quick=quick)]
        assert len(names) == len(set(names))


def test_the_long_form_lands_as_many_faults_as_were_asked_for() -> None:
    found = summed(all_told())
    assert {name: found.ours[name]["landed"] for name in ("agent", "store", "Ray")} == {
        "agent": 240,
        "store": 300,
        "Ray": 60,
    }
    assert found.ours["store"]["95 % bound"] == 0.01
    assert all(met(found).values())


@pytest.mark.parametrize(
    ("broken", "goal"),
    [
        ({"lost": ["run1 t1"]}, "agent: harm"),
        ({"kept_twice": ["run1 t1"]}, "agent: harm"),
        ({"landed": 59}, "agent: landed faults"),
        ({"takeover_longest": 31.0}, "agent: back within"),
    ],
)
def test_what_was_broken_is_told(broken: dict[str, Any], goal: str) -> None:
    missed = [name for name, well in met(summed(all_told(**broken))).items() if not well]
    assert missed == [goal]


def test_a_control_that_does_no_harm_is_told() -> None:
    answers = all_told()
    control = next(each for each in LONG if each.control)
    assert not met(summed({**answers, control: told()}))["without protection"]


def test_what_was_interrupted_goes_on_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[str] = []

    def done(chunk: Chunk) -> dict[str, Any]:
        began.append(chunk.name)
        if len(began) == 3:
            raise KeyboardInterrupt
        return told(control=told(lost=["t1"]))

    monkeypatch.setattr(soak, "ROOT", tmp_path)
    monkeypatch.setattr(soak, "_done", done)
    with pytest.raises(KeyboardInterrupt):
        soak.Soak().run(data=None, quick=True)
    soak.Soak().run(data=None, quick=True)
    names = [each.name for each in chunks(quick=True)]
    assert began == [*names[:3], *names[2:]]
    assert not (tmp_path / "build" / "soak-quick").exists()
