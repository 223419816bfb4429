"""Transfer: retraining from the champion with a quarter of the steps, against a cold start.

The champion learned from the older part of a trace, the retraining learns from all that came
before the rows to judge. A cold start with as few steps is told beside.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.base import Goal, Part
from benchmarks.public import sizey
from benchmarks.teaching.ground import UNDER, Ground, Ledger, mean, seeds
from learner.examples import Split
from learner.methods.transfer import Transfer
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound

TRACES = ("eager", "mag")
OLDER, TAUGHT = 0.6, 0.8  # of the rows to learn from: those before; of these, to fit
COLD, WARM, FROZEN = "cold", "warm", "frozen trunk"
SHORT, FAST = "cold, as few steps", "cold, as few steps, as large ones"
STEPS, SAME = 0.25, 1.01  # the error within what counts as a tie between arms
EPOCHS = 5


def part(data: Path | None, *, quick: bool) -> Part:
    """Errors after a cold and a warm start, and how many epochs each took."""
    if data is None:
        raise NotFound("The part transfer of the methods reads public logs; give --data DIR.")
    traces = [sizey.read(data, name) for name in TRACES[: 1 if quick else None]]
    ours: dict[str, Mapping[str, float]] = {}
    goals: list[Goal] = []
    ratios: dict[str, float] = {}
    for under in (True, False):
        ledgers = [_learned(trace, seeds(quick), under=under) for trace in traces]
        where = f"transfer, {UNDER[under]}"
        for trace, ledger in zip(traces, ledgers, strict=True):
            ours |= ledger.told(f"{where}, {trace.workflow}")
        for arm in (WARM, FROZEN, SHORT, FAST):
            shares = [_share(ledger, arm) for ledger in ledgers]
            ratios[f"{where}: error of {arm}, share of cold"] = float(np.mean(shares))
        steps = float(np.mean([_steps(ledger) for ledger in ledgers]))
        found = ratios[f"{where}: error of {WARM}, share of cold"]
        goals.append(
            Goal(
                f"{where}: error and steps of a warm start, shares of a cold one's",
                f"<= {SAME} with <= {STEPS:.0%} of the steps",
                f"{found:.3f} with {steps:.0%}",
                found <= SAME and steps <= STEPS,
            )
        )
    return Part(ours=ours, goals=tuple(goals), ratios=ratios)


def _learned(trace: sizey.Trace, over: range, *, under: bool) -> Ledger:
    ledger, split = Ledger(), trace.split()
    before = Ground.of(trace.records, older(split), under=under)
    now = Ground.of(trace.records, split, under=under)
    for seed in over:
        plain = TrainingSettings(seed=seed)
        champion, _ = before.fitted(plain)
        frozen = {"transfer": {"frozen": 1.0}}
        arms = {
            COLD: plain,
            SHORT: replace(plain, epochs=EPOCHS),
            FAST: replace(plain, epochs=EPOCHS, rate=Transfer().rate * plain.rate),
            WARM: replace(plain, methods={"transfer": {}}),
            FROZEN: replace(plain, methods=frozen),
        }
        for arm, settings in arms.items():
            learned, epochs = now.fitted(settings, champion)
            ledger.note(arm, now.errors(learned) | {"epochs": epochs})
    return ledger


def older(split: Split) -> Split:
    """The rows that came first among those to learn from; the last of them choose the epoch."""
    known = np.sort(np.concatenate([split.train, split.validation]))
    first = known[: int(OLDER * len(known))]
    taught = int(TAUGHT * len(first))
    return Split(first[:taught], first[taught:], split.test)


def _share(ledger: Ledger, arm: str) -> float:
    shares = ledger.share(arm, COLD)
    return mean({name: each for name, each in shares.items() if name != "epochs"})


def _steps(ledger: Ledger) -> float:
    return ledger.share(WARM, COLD)["epochs"]
