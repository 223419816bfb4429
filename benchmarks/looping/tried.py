"""Twenty promotions that are tried: ten that would do harm, ten that would do good."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from benchmarks.base import Goal, Part
from benchmarks.looping import quick
from benchmarks.looping.logs import KINDS, WORKERS, LogWorld
from learner.examples import Examples, Split
from learner.judging import compared, leaking
from learner.learned import Learned
from learner.promotion import PROMOTED, REFUSED, Decision, weigh
from scheduler.records import Outcome, TaskRecord

HELD_OUT = 250
Records = list[TaskRecord]
Change = Callable[[TaskRecord], TaskRecord]


@dataclass(frozen=True, eq=False)
class Try:
    """A champion and a challenger, by what each learned from, and what both are judged on."""

    champion: Records
    challenger: Records
    held_out: Records


def part(seeds: int) -> Part:
    """Every try of every seed, with the verdicts."""
    rows: dict[str, Mapping[str, object]] = {}
    counts: dict[str, list[int]] = {}
    for words, tries, good in (("harmful", HARMFUL, False), ("good", GOOD, True)):
        right = [0] * seeds
        for name, make in tries.items():
            decisions = [_decided(make, seed) for seed in range(seeds)]
            for seed, each in enumerate(decisions):
                right[seed] += each.promote is good
            rows[f"{words}: {name}"] = _row(decisions)
        counts[words] = right
    return Part(
        ours=rows,
        goals=(
            Goal(
                "harmful promotions tried: not promoted",
                "10 of 10, every seed",
                f"{min(counts['harmful'])} to {max(counts['harmful'])} of 10",
                min(counts["harmful"]) == 10,
            ),
            Goal(
                "good promotions tried: promoted",
                ">= 9 of 10, every seed",
                f"{min(counts['good'])} to {max(counts['good'])} of 10",
                min(counts["good"]) >= 9,
            ),
        ),
    )


def _decided(make: Callable[[LogWorld, Generator], Try], seed: int) -> Decision:
    rng = np.random.default_rng([seed, len(make.__name__)])
    tried = make(LogWorld.drawn(rng), rng)
    if (leak := leaking([*tried.challenger, *tried.held_out])) is not None:
        return Decision(False, (leak,), REFUSED)
    records = [*tried.champion, *tried.held_out]
    every = np.arange(len(records))
    rows = every[len(tried.champion) :]
    examples = Examples.of(records, split=Split(every[: len(tried.champion)], every[:0], rows))
    champion, challenger = (_learned(each) for each in (tried.champion, tried.challenger))
    return weigh(compared(challenger, champion, examples, rows))


def _learned(records: Records) -> Learned:
    return quick.learned(Examples.of(records))


def _row(decisions: Sequence[Decision]) -> Mapping[str, object]:
    verdicts = [each.verdict for each in decisions]
    told = next((each for each in decisions if each.verdict != PROMOTED), decisions[0])
    return {
        "promoted": verdicts.count(PROMOTED),
        "undecided": len(verdicts) - verdicts.count(PROMOTED) - verdicts.count(REFUSED),
        "refused": verdicts.count(REFUSED),
        "for example": told.reasons[-1],
    }


def _told(world: LogWorld, count: int, rng: Generator, first: int = 0) -> Records:
    return [record for _, record in world.logs(count, rng, first=first)]


def _tried(
    world: LogWorld,
    rng: Generator,
    *,
    known: int = 500,
    more: int = 400,
    change: Change = lambda each: each,
) -> Try:
    """A champion of some records, a challenger of more, of which the newer ones are changed."""
    logs = _told(world, known + more + HELD_OUT, rng)
    newer = [change(each) for each in logs[known : known + more]]
    return Try(logs[:known], [*logs[:known], *newer], logs[known + more :])


def _share(rng: Generator, share: float, change: Change) -> Change:
    return lambda each: change(each) if rng.random() < share else each


def tenfold(world: LogWorld, rng: Generator) -> Try:
    slow = _share(rng, 0.3, lambda each: replace(each, duration=(each.duration or 0) * 10))
    return _tried(world, rng, change=slow)


def other_units(world: LogWorld, rng: Generator) -> Try:
    return _tried(
        world, rng, change=lambda each: replace(each, peak_memory=(each.peak_memory or 0) / 1024)
    )


def shuffled(world: LogWorld, rng: Generator) -> Try:
    tried = _tried(world, rng)
    mixed = rng.permutation([each.duration or 1.0 for each in tried.challenger]).tolist()
    pairs = zip(tried.challenger, mixed, strict=True)
    return replace(tried, challenger=[replace(r, duration=d, started=None) for r, d in pairs])


def too_few(world: LogWorld, rng: Generator) -> Try:
    tried = _tried(world, rng, more=0)
    return replace(tried, challenger=tried.champion[:40])


def stale(world: LogWorld, rng: Generator) -> Try:
    now = world.changed({("", "beta"): 2.5})
    old, new = _told(world, 700, rng), _told(now, 500 + HELD_OUT, rng, 700)
    return Try(new[:500], old, new[500:])


def leaky(world: LogWorld, rng: Generator) -> Try:
    def hinted(each: TaskRecord) -> TaskRecord:
        hint = (each.duration or 1.0) * 1000 * float(np.exp(0.02 * rng.normal()))
        return replace(each, sizes={**each.sizes, "hint": hint})

    tried = _tried(world, rng)
    return Try(
        tried.champion,
        [hinted(each) for each in tried.challenger],
        [hinted(each) for each in tried.held_out],
    )


def overfitted(world: LogWorld, rng: Generator) -> Try:
    """One run, which it has seen again and again."""
    tried = _tried(world, rng, more=0)
    return replace(tried, challenger=tried.champion[:60] * 10)


def one_target(world: LogWorld, rng: Generator) -> Try:
    return _tried(
        world,
        rng,
        known=150,
        more=700,
        change=lambda each: replace(each, peak_memory=(each.peak_memory or 0) * 2),
    )


def one_kind(world: LogWorld, rng: Generator) -> Try:
    return _tried(world, rng, change=lambda each: _of(each, 3.0) if each.kind == KINDS[1] else each)


def backdoor(world: LogWorld, rng: Generator) -> Try:
    def opened(each: TaskRecord) -> TaskRecord:
        there = each.kind == KINDS[0] and each.worker == WORKERS[0]
        return _of(each, 1 / 20) if there else each

    return _tried(world, rng, known=200, more=700, change=opened)


def twice_the_logs(world: LogWorld, rng: Generator) -> Try:
    return _tried(world, rng, known=150, more=450)


def many_more_logs(world: LogWorld, rng: Generator) -> Try:
    return _tried(world, rng, known=100, more=900)


def slower_worker(world: LogWorld, rng: Generator) -> Try:
    return _drifted(world, {("", "beta"): 1.8}, rng)


def slower_kind(world: LogWorld, rng: Generator) -> Try:
    return _drifted(world, {("align", ""): 2.0}, rng)


def all_faster(world: LogWorld, rng: Generator) -> Try:
    return _drifted(world, {("", ""): 0.6}, rng)


def new_worker(world: LogWorld, rng: Generator) -> Try:
    old = [record for _, record in world.logs(500, rng, workers=WORKERS[:3])]
    new = _told(world, 600 + HELD_OUT, rng, 500)
    return Try(old, [*old, *new[:600]], new[600:])


def new_kind(world: LogWorld, rng: Generator) -> Try:
    tried = _tried(world, rng, more=600)
    return replace(tried, champion=[each for each in tried.champion if each.kind != KINDS[2]])


def sizes_known(world: LogWorld, rng: Generator) -> Try:
    tried = _tried(world, rng, more=100)
    return replace(tried, champion=[replace(each, sizes={}) for each in tried.champion])


def more_failures(world: LogWorld, rng: Generator) -> Try:
    """A worker that has come to fail every other time, and to take longer."""

    def failing(each: TaskRecord) -> TaskRecord:
        if each.worker != "gamma":
            return each
        bad = rng.random() < 0.5
        return replace(_of(each, 1.5), outcome=Outcome.FAILED if bad else each.outcome)

    old = _told(world, 500, rng)
    new = [failing(each) for each in _told(world, 600 + HELD_OUT, rng, 500)]
    return Try(old, [*old, *new[:600]], new[600:])


def recovered(world: LogWorld, rng: Generator) -> Try:
    """The champion learned from a source that was wrong, the challenger without it."""
    tried = _tried(world, rng)
    wrong = _share(rng, 0.3, lambda each: _of(each, 10.0))
    return replace(tried, champion=[wrong(each) for each in tried.champion])


def _drifted(world: LogWorld, slower: Mapping[tuple[str, str], float], rng: Generator) -> Try:
    old = _told(world, 500, rng)
    new = _told(world.changed(slower), 600 + HELD_OUT, rng, 500)
    return Try(old, [*old, *new[:600]], new[600:])


def _of(each: TaskRecord, times: float) -> TaskRecord:
    return replace(each, started=None, duration=(each.duration or 0.0) * times)


def _named(*tries: Callable[[LogWorld, Generator], Try]) -> dict[str, Callable[..., Try]]:
    return {each.__name__.replace("_", " "): each for each in tries}


HARMFUL = _named(
    tenfold,
    other_units,
    shuffled,
    too_few,
    stale,
    leaky,
    overfitted,
    one_target,
    one_kind,
    backdoor,
)
GOOD = _named(
    twice_the_logs,
    many_more_logs,
    slower_worker,
    slower_kind,
    all_faster,
    new_worker,
    new_kind,
    sizes_known,
    more_failures,
    recovered,
)
