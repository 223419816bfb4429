"""Distillation: one student of an ensemble, of networks that share nothing, and of LightGBM.

What is compared is the loss of each target on rows never seen, in the units of the heads: pinball
for quantities, cross-entropy for failures, the divergence of shares for the choice of a worker.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import numpy as np

from benchmarks.base import Goal, Part
from benchmarks.public import lotaru
from benchmarks.teaching.ground import UNDER, Ground, Ledger, lotaru_rows, seeds
from learner.arms.network import NetworkArm
from learner.choices import choices_of
from learner.methods.base import Scene
from learner.methods.distillation import Annealed, Distillation, Faculty
from learner.methods.teaching import Said, heads_of, loss_of, read
from learner.networks.network import Network, Plan
from learner.targets import targets
from learner.training.fit import fit
from learner.training.lesson import Lesson, lessons_of
from learner.training.settings import TrainingSettings

ASKED = Distillation(networks=8)
MOST, FASTER = 1.01, 10.0
TIMES = 3  # the best of so many
STUDENT, PLAIN = "student", "plain network"
TEACHERS = {"networks": "8 networks", "single": "single-target", "trees": "LightGBM", "all": "all"}


def part(data: Path | None, *, quick: bool) -> Part:
    """What teachers and student are off, and how long they take to forecast."""
    rows = lotaru_rows(data, "distillation")
    records, split = [row.record for row in rows], lotaru.unseen_inputs(rows, 0)
    ours: dict[str, Mapping[str, float]] = {}
    goals: list[Goal] = []
    ratios: dict[str, float] = {}
    for under in (True,) if quick else (True, False):
        table = Table()
        ground = Ground.of(records, split, under=under)
        for seed in seeds(quick):
            table.learn(ground, seed)
        where = f"distillation, {UNDER[under]}"
        ours |= table.ledger.told(where)
        ratios |= {f"{where}: {n}, of the best teacher": s for n, s in table.shares().items()}
        ratios[f"{where}: seconds of the teachers / the student's"] = float(np.median(table.faster))
        goals += table.goals(where)
    return Part(ours=ours, goals=tuple(goals), ratios=ratios)


@dataclass(frozen=True, eq=False)
class Table:
    """Losses by who forecasts, and how many times as long all teachers take as the student."""

    ledger: Ledger = field(default_factory=Ledger)
    faster: list[float] = field(default_factory=list)

    def learn(self, ground: Ground, seed: int) -> None:
        """Teachers, student and a network that nobody teaches, of one seed."""
        examples, settings = ground.examples, TrainingSettings(seed=seed)
        plan = Plan.over(examples.columns, settings.sharing, settings.shape)
        lessons = lessons_of(examples, ground.offsets, seed=seed)
        asked = _test(ground)
        scene = Scene(plan, examples, ground.offsets, lessons, settings)
        faculty = Faculty.of(scene, ASKED)
        for who, said in faculty.told(asked).items():
            self.ledger.note(TEACHERS[who], _losses(said, asked))
        for who, steering in (
            (STUDENT, [Annealed(faculty.told(lessons["train"])["all"])]),
            (PLAIN, []),
        ):
            network = Network(plan)
            network.load_state_dict(dict(fit(plan, lessons, settings, steering).weights))
            self.ledger.note(who, _losses(read(heads_of(network, asked), asked), asked))
            if who == STUDENT:
                self.faster.append(_faster(ground, faculty, network))

    def shares(self) -> dict[str, float]:
        """The student's loss as a share of the best teacher's, by target."""
        student = self.ledger.mean(STUDENT)
        taught = [self.ledger.mean(who) for who in TEACHERS.values() if who in self.ledger.noted]
        return {
            name: loss / min(each[name] for each in taught if name in each)
            for name, loss in student.items()
        }

    def goals(self, where: str) -> list[Goal]:
        """The goals that the issue asks."""
        shares, faster = self.shares(), float(np.median(self.faster))
        worst = max(shares, key=lambda name: shares[name])
        return [
            Goal(
                f"{where}: the student's loss, share of the best teacher's, on every target",
                f"<= {MOST}",
                f"at worst {shares[worst]:.3f} ({worst})",
                shares[worst] <= MOST,
            ),
            Goal(
                f"{where}: seconds of all teachers / the student's",
                f">= {FASTER:g}",
                f"{faster:.1f}",
                faster >= FASTER,
            ),
        ]


def _test(ground: Ground) -> Lesson:
    """The rows to judge, as a lesson."""
    examples, rows = ground.examples, ground.examples.split.test
    choices = choices_of(examples, rows, ground.offsets, rng=np.random.default_rng(0))
    return Lesson.of(examples, rows, ground.offsets, choices)


def _losses(said: Said, lesson: Lesson) -> dict[str, float]:
    """The mean loss of each target of which the rows tell something; no log here tells failures."""
    counted = {n: float(lesson.telling[n][0].sum()) for n in lesson.taught if n != "failure"}
    return {n: loss_of(n, said[n], lesson) / counted[n] for n in counted if n in said}


def _faster(ground: Ground, faculty: Faculty, student: Network) -> float:
    """CPU seconds of everybody who teaches, over those of the student, on the same rows."""
    inputs, names = ground.examples.inputs, list(targets())
    arms = [NetworkArm(each) for each in faculty.networks]
    if faculty.single is not None:
        arms.append(NetworkArm(faculty.single))
    asked = [*arms, *([faculty.trees] if faculty.trees else [])]
    alone = NetworkArm(student)
    return _seconds(lambda: [a.raw(inputs, names) for a in asked]) / _seconds(
        lambda: alone.raw(inputs, names)
    )


def _seconds(ask: Callable[[], object]) -> float:
    found = []
    for _ in range(TIMES):
        began = process_time()
        ask()
        found.append(process_time() - began)
    return min(found)
