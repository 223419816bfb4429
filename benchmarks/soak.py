"""Faults that land, by the hundred, in agents, Ray and stores, and what they broke.

Each chunk is a process of its own, and its answer is kept beside the others as soon as it is there:
what was interrupted goes on with the chunks that are missing.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.base import Benchmark, Found, Goal
from scheduler.errors import AllotError

ROOT = Path(__file__).parent.parent
FAULTS = ROOT / "tests" / "faults"
HARM = ("lost", "double_starts", "kept_twice", "wrong_ends")
BACK = ("takeover_longest", "back_longest")
LONGEST = 30.0  # seconds until somebody has taken over, or a run writes again
KNOWN = 15.0  # seconds until a loss on Ray is known
MOST = 3600  # seconds for one chunk


@dataclass(frozen=True)
class Chunk:
    """One campaign: some faults of one family, by one seed; a `control` is expected to do harm."""

    family: str
    program: str
    options: tuple[str, ...]
    seed: int
    control: bool = False

    @property
    def name(self) -> str:
        """A name that no other chunk has: of a file, too."""
        told = "-".join(each.lstrip("-").replace(" ", "_") for each in self.options)
        return f"{self.family.replace(' ', '_')}-{told}-{self.seed}"


def chunks(*, quick: bool) -> tuple[Chunk, ...]:
    """What is to be done: the long form, or one of some minutes."""
    lives = ("--kills", "10", "--frozen", "2") if quick else ("--kills", "50", "--frozen", "10")
    losses = ((4, 1),) if quick else ((16, 101), (16, 102), (16, 103), (12, 104))
    cuts = "12" if quick else "50"
    hasty = ("--hasty",) if quick else ()
    sqlite = ("--store", "sqlite", "--cuts", cuts)
    postgres = ("--store", "postgresql", "--cuts", cuts, *hasty)
    found = [
        *_each("agent", "agent_lives.py", lives, range(1, 2 if quick else 5)),
        *_each("store", "store_cuts.py", sqlite, range(1, 2)),
        *_each("store", "store_cuts.py", (*sqlite, "--impatient"), range(1, 1 if quick else 2)),
        *_each("store", "store_cuts.py", postgres, range(1, 2 if quick else 4)),
        *_each("store", "store_cuts.py", (*postgres, "--impatient"), range(1, 1 if quick else 2)),
        *(Chunk("Ray", "ray_losses.py", ("--losses", str(n)), seed) for n, seed in losses),
    ]
    return (*found, *_controls())


def _each(
    family: str, program: str, options: tuple[str, ...], seeds: Iterable[int]
) -> Iterable[Chunk]:
    return [Chunk(family, program, options, seed) for seed in seeds]


def _controls() -> Iterable[Chunk]:
    """The same faults without what protects from them: harm must be seen."""
    blind = ("--blind", "--kills", "6", "--frozen", "0")
    unfenced = ("--unfenced", "--kills", "0", "--frozen", "4")
    lost = ("--unnumbered", "--way", "cut after the commit", "--cuts", "6")
    return (
        Chunk("agent, without claims", "agent_lives.py", blind, 3, control=True),
        Chunk("agent, without epochs", "agent_lives.py", unfenced, 3, control=True),
        Chunk(
            "store, without numbers",
            "store_cuts.py",
            ("--store", "postgresql", *lost),
            3,
            control=True,
        ),
        Chunk(
            "Ray, without claims",
            "ray_losses.py",
            ("--losses", "4", "--control", "1"),
            1,
            control=True,
        ),
    )


class Soak(Benchmark):
    """Landed faults of every sort, what they broke, and how soon all went on."""

    title: ClassVar[str] = "Soak: agents, Ray and stores that are killed, frozen, cut"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  needs no logs
        """Does the chunks that are missing; raises AllotError where one cannot be done."""
        folder = ROOT / "build" / ("soak-quick" if quick else "soak")
        wanted = chunks(quick=quick)
        answers = {each: _answer(each, folder) for each in wanted}
        found = summed(answers)
        shutil.rmtree(folder)  # all of it is told: the next one begins anew
        return found


def _answer(chunk: Chunk, folder: Path) -> Mapping[str, Any]:
    """What a chunk told, now or before."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{chunk.name}.json"
    if not file.exists():
        sys.stderr.write(f"{chunk.name} ...\n")
        text = json.dumps(_done(chunk))
        file.with_suffix(".part").write_text(text + "\n", encoding="utf-8")
        file.with_suffix(".part").replace(file)
    found: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
    both = chunk.control and "control" in found  # some do both in one process
    return dict(found["control"]) if both else found


def _done(chunk: Chunk) -> Mapping[str, Any]:
    place = Path(tempfile.mkdtemp(prefix="allot-soak-"))  # short, and open to a server's user
    program = [sys.executable, str(FAULTS / chunk.program), str(place / "w"), *chunk.options]
    (place / "w").mkdir()
    place.chmod(0o755)
    try:
        done = subprocess.run(
            [*program, "--seed", str(chunk.seed)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST,
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if done.returncode:
        raise AllotError(f"{chunk.name} broke off: {done.stderr[-3000:]}")
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def summed(answers: Mapping[Chunk, Mapping[str, Any]]) -> Found:
    """All chunks as one result: by family what landed and what it broke, and the controls."""
    families = list(dict.fromkeys(each.family for each in answers if not each.control))
    ours = {
        family: _of([found for each, found in answers.items() if each.family == family])
        for family in families
    }
    controls = {
        f"{each.family} (seed {each.seed})": _of([found])
        for each, found in answers.items()
        if each.control
    }
    goals = [goal for family, found in ours.items() for goal in _goals(family, found)]
    without = [name for name, found in controls.items() if not _harmed(found)]
    said = "all" if not without else f"not {', '.join(without)}"
    goals.append(Goal("without protection", "harm is seen in every control", said, not without))
    work = (
        "Faults at moments that are known to have come, each counted only where it was felt; "
        "judged by a file to which every attempt appends before it does anything else. A control "
        "is the same without one of the protections. With no harm in N faults the rate of harm is "
        "below 3/N at 95 %, for faults like these on one machine."
    )
    return Found(work, {**ours, **controls}, tuple(goals))


def _of(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sums of some chunks."""
    harm = {each: sum(len(one.get(each, ())) for one in found) for each in HARM}
    landed = sum(one["landed"] for one in found)
    back = [one[each] for one in found for each in BACK if one.get(each) is not None]
    known = [one["known_longest"] for one in found if one.get("known_longest")]
    back += [seconds for each in known for seconds in each.values()]
    return {
        "seeds": " ".join(str(one["seed"]) for one in found if "seed" in one),
        "landed": landed,
        **{each.replace("_", " "): n for each, n in harm.items()},
        "unknown": sum(int(one.get("unknown", 0)) for one in found),
        "tasks": sum(one.get("tasks", 0) for one in found),
        "back longest, s": max(back, default=0.0),
        "begun again longest, s": max((one.get("again_longest", 0.0) for one in found), default=0.0)
        or "",
        "95 % bound": 3 / landed if landed and not sum(harm.values()) else "",
        "faults": _faults(found),
    }


def _faults(found: Sequence[Mapping[str, Any]]) -> str:
    """What landed, in words."""
    counts: Counter[str] = Counter()
    for one in found:
        for key in ("moments", "ways"):
            each = one.get(key, {})
            counts.update({str(name): int(n) for name, n in each.items()})
    return "; ".join(f"{n} {name}" for name, n in counts.most_common())


ASKED = {"agent": "200 killed, 40 frozen", "store": "300", "Ray": "60"}


def _goals(family: str, found: Mapping[str, Any]) -> Iterable[Goal]:
    landed, harmed = found["landed"], _harmed(found)
    least = {"agent": 240, "store": 300, "Ray": 60}[family]
    bound = f", below {3 / landed:.2g} each at 95 %" if landed and not harmed else ""
    told = ", ".join(f"{each.replace('_', ' ')} {found[each.replace('_', ' ')]}" for each in HARM)
    yield Goal(f"{family}: landed faults", f">= {ASKED[family]}", str(landed), landed >= least)
    yield Goal(f"{family}: harm", "0", told + bound, not harmed)
    what, most = ("loss known", KNOWN) if family == "Ray" else ("back", LONGEST)
    longest = found["back longest, s"]
    yield Goal(f"{family}: {what} within", f"{most:g} s", f"{longest:.3g} s", longest <= most)


def _harmed(found: Mapping[str, Any]) -> bool:
    return any(found[each.replace("_", " ")] for each in HARM)
