"""Six attacks on the logs, from one source among five, and what becomes of the championship."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.base import Goal, Part
from benchmarks.looping import quick
from benchmarks.looping.logs import ATTACKS, EVIL, LogWorld, Sourced, poisoned
from learner.examples import Examples, Split, in_order, when
from learner.judging import attempt_of, compared, judges
from learner.learned import Learned
from learner.promotion import PROMOTED, REFUSED, Decision, weigh
from learner.residuals import seen_by
from learner.sources import suspicions
from scheduler.records import TaskRecord

BEFORE, NEW, PINNED = 400, 600, 400
SHARES = (0.01, 0.05, 0.2)
HARM = 1.02
NONE = "none"


@dataclass(frozen=True)
class Told:
    """What became of one attack: whether the source was named, who else was, what was decided.

    `alone` is the decision of the gate where nobody looks at sources; harm is by how much the
    version is worse than the champion on pinned attempts that no evil source told.
    """

    named: bool
    others: int
    decision: Decision
    harm: float
    alone: Decision
    alone_harm: float


def part(seeds: int) -> Part:
    """All attacks at all shares over so many seeds, and as many sound sources."""
    rows, told = {}, {}
    for attack in ATTACKS:
        for share in SHARES:
            each = [one(attack, share, seed) for seed in range(seeds)]
            told[attack, share] = each
            rows[f"{attack}, {share:.0%}"] = _row(each)
    attacks = [each for (name, _), some in told.items() if name != NONE for each in some]
    sound = [each for (name, _), some in told.items() if name == NONE for each in some]
    return Part(ours=rows, goals=_goals(attacks, sound))


def one(attack: str, share: float, seed: int) -> Told:
    """One attack, of one seed."""
    rng = np.random.default_rng([seed, *attack.encode(), round(share * 100)])
    world = LogWorld.drawn(rng)
    before = world.logs(BEFORE, rng)
    new = poisoned(world.logs(NEW, rng, first=BEFORE), share, attack, rng)
    pinned = [record for _, record in world.logs(PINNED, rng, first=BEFORE + NEW)]
    champion = quick.learned(Examples.of([record for _, record in before]))
    found = _suspected(champion, [*before, *new])
    left = [each for each in (*before, *new) if each[0] not in found]
    decision, version = _challenged(champion, left)
    alone, careless = decision, version
    if found:
        alone, careless = _challenged(champion, [*before, *new])
    return Told(
        named=EVIL in found,
        others=len(found - {EVIL}),
        decision=decision,
        harm=_harm(version, champion, pinned),
        alone=alone,
        alone_harm=_harm(careless, champion, pinned),
    )


def _suspected(champion: Learned, logs: Sequence[Sourced]) -> frozenset[str]:
    ordered = sorted(logs, key=lambda each: str(when(each[1])))
    records = [record for _, record in ordered]
    source = np.array([name for name, _ in ordered], dtype=str)
    seen = seen_by(champion, records)
    ask = set(np.unique(source).tolist())
    return frozenset(each.source for each in suspicions(seen, records, source, ask=ask))


def _challenged(champion: Learned, logs: Sequence[Sourced]) -> tuple[Decision, Learned]:
    """The gate's decision on a version that learned from these logs; it knows who is new."""
    examples = Examples.of([record for _, record in logs])
    version = quick.learned(examples)
    unproven = frozenset(attempt_of(record) for name, record in logs if name == EVIL)
    rows = judges(examples, unproven)
    return weigh(compared(version, champion, examples, rows)), version


def _harm(version: Learned, champion: Learned, pinned: Sequence[TaskRecord]) -> float:
    """The mean over targets of its error over the champion's."""
    records = in_order(pinned)
    every = np.arange(len(records))
    examples = Examples.of(records, split=Split(every, every[:0], every))
    found = compared(version, champion, examples, every, planning=False).losses.values()
    ratios = [
        (np.nanmean(each[:, 0]) + 1e-3) / (np.nanmean(each[:, 1]) + 1e-3)
        for each in found
        if (~np.isnan(each)).all(1).any()
    ]
    return float(np.mean(ratios))


def _row(told: Sequence[Told]) -> dict[str, object]:
    return {
        "named": f"{sum(each.named for each in told)} of {len(told)}",
        "others named": sum(each.others for each in told),
        "promoted": sum(each.decision.promote for each in told),
        "refused": sum(each.decision.verdict == REFUSED for each in told),
        "harmful promoted": sum(_harmful(each.decision, each.harm) for each in told),
        "without looking at sources: promoted": sum(each.alone.promote for each in told),
        "harmful": sum(_harmful(each.alone, each.alone_harm) for each in told),
        "harm without the gate too": float(np.max([each.alone_harm for each in told])),
    }


def _harmful(decision: Decision, harm: float) -> bool:
    return decision.verdict == PROMOTED and harm > HARM


def _goals(attacks: Sequence[Told], sound: Sequence[Told]) -> tuple[Goal, ...]:
    harmful = sum(_harmful(each.decision, each.harm) for each in attacks)
    named = sum(each.named for each in attacks)
    kept_out = sum(each.decision.verdict == REFUSED or each.named for each in sound)
    return (
        Goal(
            "attacks: promotions that are more than 2 % worse on pinned attempts",
            "0",
            f"{harmful} of {len(attacks)}",
            harmful == 0,
        ),
        Goal(
            "attacks: the source is named",
            ">= 90 %",
            f"{named} of {len(attacks)}",
            named >= 0.9 * len(attacks),
        ),
        Goal(
            "sound sources: held, or the version refused",
            "<= 5 %",
            f"{kept_out} of {len(sound)}",
            kept_out <= 0.05 * len(sound),
        ),
    )
