"""What the replayed runs say together, in figures and in words that can be trusted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scheduler.backtesting.past import LeftOut, PastRun
from scheduler.backtesting.replaying import CAUTIOUS, LOG, POLICY, PROBED, Replayed
from scheduler.numbers import counted

Floats = NDArray[np.float64]
DRAWS = 4000
SURE = (2.5, 97.5)  # percentiles between which the truth lies 19 times in 20
FEW = 5  # runs below which drawing them anew says nothing
SAME = 1e-3  # share of a makespan below which two are one
GIGABYTE_HOUR = 1e9 * 3600


@dataclass(frozen=True, kw_only=True)
class Saved:
    """By what share of the time of all runs one policy undercuts another; with its interval.

    `earlier` and `later` count runs, out of `runs`.
    """

    share: float
    low: float
    high: float
    earlier: int
    later: int
    runs: int

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out that there is no difference."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, kw_only=True)
class Total:
    """What a policy came to in all runs: seconds, money, GB hours; shares of tasks and seconds."""

    makespan: float
    waited: float
    cost: float
    reserved: float | None
    wasted: float | None
    kills: int
    moved: float
    forecast: float
    given_up: int
    regret: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Some runs together: each policy's total, and by what the policy in charge undercuts it."""

    runs: int
    tasks: int
    totals: Mapping[str, Total]
    against: Mapping[str, Saved]
    cautious: Saved

    @property
    def rests_on_forecasts(self) -> float | None:
        """The share of the gain that is there only if tasks are faster where they never ran."""
        gain = self.against[LOG].share
        return None if gain <= 0 else float(np.clip(1 - self.cautious.share / gain, 0.0, 1.0))

    @property
    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "runs": self.runs,
            "tasks": self.tasks,
            "policies": {name: asdict(each) for name, each in self.totals.items()},
            "against": {name: asdict(each) for name, each in self.against.items()},
            "cautious": asdict(self.cautious),
            "rests_on_forecasts": self.rests_on_forecasts,
        }


def verdict(runs: Sequence[Replayed], rng: Generator) -> Verdict:
    """What these runs, one or more, say together."""
    times = {name: _times(runs, name) for name in runs[0].carried}
    best = np.array([each.best for each in runs])
    against = {
        name: saved(times[POLICY], times[name], rng)
        for name in times
        if name not in (POLICY, CAUTIOUS)
    }
    return Verdict(
        runs=len(runs),
        tasks=sum(each.tasks for each in runs),
        totals={name: _total(runs, name, float(times[name].sum() / best.sum() - 1)) for name in
                times},
        against=against,
        cautious=saved(times[CAUTIOUS], times[LOG], rng),
    )  # fmt: skip


def by_workflow(runs: Iterable[Replayed], rng: Generator) -> dict[str, Verdict]:
    """The same for the runs of each workflow."""
    groups: dict[str, list[Replayed]] = {}
    for each in runs:
        groups.setdefault(each.workflow, []).append(each)
    return {name: verdict(group, rng) for name, group in sorted(groups.items())}


def saved(mine: Floats, theirs: Floats, rng: Generator) -> Saved:
    """By what share of their time mine is less; runs are drawn anew for the interval, in pairs.

    Shape: seconds of each run, n each.
    """
    drawn = rng.integers(0, len(mine), size=(DRAWS, len(mine)))
    shares = 1 - mine[drawn].sum(axis=1) / theirs[drawn].sum(axis=1)
    low, high = np.percentile(shares, SURE)
    return Saved(
        share=float(1 - mine.sum() / theirs.sum()),
        low=float(low),
        high=float(high),
        earlier=int((mine < theirs * (1 - SAME)).sum()),
        later=int((mine > theirs * (1 + SAME)).sum()),
        runs=len(mine),
    )


def sentences(
    whole: Verdict,
    runs: Sequence[Replayed],
    past: Sequence[PastRun],
    left_out: Sequence[LeftOut],
) -> list[str]:
    """What an operator should know, the most important first.

    Of `runs`, which were replayed, `past` holds what was logged, and `left_out` those that could
    not be.
    """
    log, mine = whole.against[LOG], whole.totals[POLICY]
    told = [
        f"On {log.earlier} of {counted(log.runs, 'past run')} it would have ended earlier, on "
        f"{log.later} later: {_in_all(log)}.",
    ]
    if (share := whole.rests_on_forecasts) is not None and mine.forecast > 0:
        told.append(
            f"{share:.0%} of that gain rests on forecast durations: where no task is believed "
            f"to be faster on a worker on which it did not run, it is {whole.cautious.share:.1%}."
        )
    told.append(
        f"{mine.moved:.0%} of the tasks would have run on another worker ({mine.forecast:.0%} of "
        "the seconds). What they take there is their logged duration times how much longer their "
        "kind usually takes there: an estimate, not a measurement."
    )
    told += [_beside(name, each) for name, each in whole.against.items() if name != LOG]
    told += _memory(whole)
    told.append(
        f"Who knows everything would need {_of(mine.regret)} less time than the policy, and "
        f"{_of(whole.totals[LOG].regret)} less than was logged."
    )
    sources, known = sorted({each.source for each in runs}), [each.known for each in runs]
    told.append(
        f"Forecasts were made by {' and '.join(sources)}, from {min(known)} to {max(known)} "
        "records that had ended before the run began."
    )
    idle = sum(each.before for run in past for each in run.lived.values())
    busy = sum(each.before + each.seconds for run in past for each in run.lived.values())
    told.append(
        f"{idle / busy if busy else 0.0:.0%} of the logged seconds of attempts are waits that no "
        "predecessor and no busy worker explains; each stays with its task, whoever is in charge."
    )
    told.append(
        f"{counted(min(PROBED, whole.runs), 'forecast')} made a second time with another future "
        "stayed the same: the policy saw nothing that came later."
    )
    if left_out:
        told.append(_left_out(left_out))
    return told


def _beside(name: str, each: Saved) -> str:
    if not (each.earlier or each.later):
        return f"Against {name} it takes the same time."
    return (
        f"Against {name} it ends earlier on {each.earlier} and later on {each.later}: "
        f"{_in_all(each)}."
    )


def _memory(whole: Verdict) -> list[str]:
    log, mine = whole.totals[LOG], whole.totals[POLICY]
    told = []
    if log.reserved and mine.reserved and mine.reserved != log.reserved:
        less = 1 - mine.reserved / log.reserved
        side = "less" if less >= 0 else "more"
        told.append(
            f"It would have reserved {abs(less):.0%} {side} memory-time than the log "
            f"({mine.reserved:.3g} instead of {log.reserved:.3g} GB hours)."
        )
    if mine.kills or log.kills:
        kills = counted(mine.kills, "attempt")
        told.append(f"{kills} would have run out of memory; in the log {log.kills} did.")
    if mine.given_up:
        told.append(f"{counted(mine.given_up, 'task')} would have been given up.")
    return told


def _in_all(each: Saved) -> str:
    side = "less" if each.share >= 0 else "more"
    if each.runs < FEW:
        return f"in all {abs(each.share):.1%} {side} time, in too few runs to tell how sure that is"
    low, high = sorted((abs(each.low), abs(each.high)))
    if not each.sure:
        return (
            f"in all {abs(each.share):.1%} {side} time, which may be chance (19 times in 20 "
            f"between {each.low:+.1%} and {each.high:+.1%})"
        )
    return f"in all {abs(each.share):.1%} {side} time (19 times in 20 {low:.1%} to {high:.1%})"


def _of(regret: float) -> str:
    return f"{regret / (1 + regret):.1%}"


def _left_out(left_out: Sequence[LeftOut]) -> str:
    whys = Counter(each.why.split(", logged were")[0] for each in left_out)
    most = "; ".join(f"{why} ({count})" for why, count in whys.most_common(3))
    return f"{counted(len(left_out), 'run')} could not be replayed: {most}."


def _times(runs: Sequence[Replayed], name: str) -> Floats:
    return np.array([each.carried[name].makespan for each in runs])


def _total(runs: Sequence[Replayed], name: str, regret: float) -> Total:
    each = [run.carried[name] for run in runs]
    tasks = np.array([run.tasks for run in runs])
    time = np.array([one.makespan for one in each])
    return Total(
        makespan=float(time.sum()),
        waited=sum(one.waited for one in each),
        cost=sum(one.cost for one in each),
        reserved=_gigabyte_hours([one.reserved for one in each]),
        wasted=_gigabyte_hours([one.wasted for one in each]),
        kills=sum(one.kills for one in each),
        moved=float(np.average([one.moved for one in each], weights=tasks)),
        forecast=float(np.average([one.forecast for one in each], weights=time)),
        given_up=sum(one.given_up for one in each),
        regret=regret,
    )


def _gigabyte_hours(amounts: Sequence[float | None]) -> float | None:
    """Their sum; None where one of them is not told."""
    told = [each for each in amounts if each is not None]
    return sum(told) / GIGABYTE_HOUR if len(told) == len(amounts) else None
