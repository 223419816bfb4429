"""Memory-time wasted by sizing, on traces of four workflows, against what others do."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.rivals import wastage_boosted as boosted
from benchmarks.rivals import wastage_ours as ours
from benchmarks.rivals import wastage_simple as simple
from benchmarks.rivals.wastage_work import (
    Arm,
    Instance,
    Outcome,
    Spent,
    Trial,
    read_trace,
    run,
    run_in_time,
    split,
    split_in_time,
)
from scheduler.errors import NotFound

SEEDS = (1996, 7, 42, 3, 11)
WORKFLOWS = ("chipseq", "eager", "mag", "methylseq")
LARGEST_KINDS = 2  # that decide the sum, and are left out of another one
BASE = "max-seen"
WORK = (
    "{kinds} kinds of four workflows, {streamed:,} instances a seed, {seeds} seeds; 30 % of each "
    "kind is history by chance, the rest is allocated one by one, retried until it holds, and "
    "learned from at once. Waste of a success: what it left; of a miss: all of it, for the whole "
    "run time. GBh; medians over seeds. `read` tells the bytes read, which are measured by the run "
    "itself; `beforehand` does not. Both know the name of what a task works on (Nextflow's tag), "
    "`kind alone` does not.{missing}"
)


@dataclass(frozen=True)
class Entry:
    """An arm by name, and whether it is told the bytes read."""

    name: str
    make: Callable[[], Arm]
    size: bool


Results = Mapping[tuple[int, str], Outcome]  # by seed and workflow

OURS = (Entry("read", ours.Ours, size=True), Entry("beforehand", ours.Ours, size=False))
PEERS = (
    Entry("beforehand, kind alone", ours.KindAlone, size=False),
    Entry(BASE, simple.MaxSeen, size=False),
    Entry("HistoryPredictor .9", simple.History, size=False),
    Entry("Witt-Percentile", simple.WittPercentile, size=False),
    Entry("Tovar-PPM", simple.Tovar, size=False),
    Entry("Witt-LR", simple.WittLine, size=True),
)
BOOSTED = (
    Entry("lgbm-q90", boosted.BoostedQuantile, size=True),
    Entry("lgbm-off", boosted.BoostedOffset, size=True),
    Entry("sel-off", lambda: boosted.BestOfAll(size=True), size=True),
    Entry("sel-off, beforehand", lambda: boosted.BestOfAll(size=False), size=False),
)


@dataclass(frozen=True)
class Bar:
    """What an arm must stay below: sum (GBh), waste over usage, over max-seen, failures."""

    sum: float
    median_kind: float
    over_base: float
    failures: float


BARS = {"read": Bar(450, 0.150, 0.58, 0.045), "beforehand": Bar(780, 0.160, 0.65, 0.050)}


class Wastage(Benchmark):
    """Every arm on the same instances in the same order."""

    title = "memory-time wasted, retries included"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """All arms on all seeds; raises where an arm is told too much or nothing is wasted less.

        Quick is one seed without the arms that need LightGBM.
        """
        if data is None:
            raise NotFound("This benchmark needs --data DIR with the folder sizey.")
        kinds = {name: read_trace(data / "sizey" / f"trace_{name}.csv.gz") for name in WORKFLOWS}
        seeds = SEEDS[:1] if quick else SEEDS
        trials = {
            (seed, name): split(name, group, seed)
            for seed in seeds
            for name, group in kinds.items()
        }
        able = not quick and importlib.util.find_spec("lightgbm") is not None
        peers = {each.name: _all(each, trials) for each in PEERS + (BOOSTED if able else ())}
        mine = {each.name: _all(each, trials) for each in OURS}
        control = {
            key: run(trial, _shuffled(trial, key[0]), size=True)
            for key, trial in trials.items()
            if key[0] == seeds[0]
        }
        base = peers[BASE]
        assert _waste(control) > _waste({key: base[key] for key in control}), (
            "sizing that learned from shuffled peaks does as well as the largest seen"
        )
        rows = {name: _row(each, base) for name, each in mine.items()}
        found = {name: _row(each, base) for name, each in peers.items()}
        return Found(
            work=_work(kinds, trials, able=able),
            ours={**rows, **_in_time(kinds)},
            peers=found,
            ratios=_ratios(rows, found),
            goals=tuple(
                goal for name in BARS for goal in _goals(name, rows[name], mine[name], base)
            ),
        )


def _all(entry: Entry, trials: Mapping[tuple[int, str], Trial]) -> dict[tuple[int, str], Outcome]:
    return {key: run(trial, entry.make(), size=entry.size) for key, trial in trials.items()}


def _shuffled(trial: Trial, seed: int) -> Arm:
    return ours.Shuffled([each.peak for each in trial.history], seed)


def _waste(results: Results) -> float:
    return sum(_total(each) for each in results.values())


def _total(outcome: Outcome) -> float:
    return sum(each.waste for each in outcome.kinds.values())


def _row(results: Results, base: Results) -> dict[str, Any]:
    """One arm's figures over all seeds."""
    sums = _sums(results, lambda spent: spent.waste)
    kinds = _kinds(results)
    worst = max(kinds, key=lambda each: kinds[each].waste / kinds[each].usage)
    worst_ratio = kinds[worst].waste / kinds[worst].usage
    return {
        **{name: float(np.median(_of_workflow(results, name))) for name in _workflows(results)},
        "sum": float(np.median(sums)),
        "range": f"{min(sums):.0f} to {max(sums):.0f}",
        "without the two largest": float(np.median(_sums(_smaller(results), _wasted))),
        "misses at half time": float(np.median(_sums(results, lambda spent: spent.half))),
        "median kind": _median_kind(results),
        "over max-seen": _over(results, base),
        "failures": _failures(results),
        "worst kind": f"{worst.rsplit(':', 1)[-1]} {worst_ratio:.2f}",
        "CPU s a seed": sum(each.cpu for each in results.values()) / len(_seeds(results)),
    }


def _wasted(spent: Spent) -> float:
    return spent.waste


def _seeds(results: Results) -> list[int]:
    return list(dict.fromkeys(seed for seed, _ in results))


def _workflows(results: Results) -> list[str]:
    return list(dict.fromkeys(workflow for _, workflow in results))


def _sums(results: Results, amount: Callable[[Spent], float]) -> list[float]:
    """Over all workflows, by seed."""
    return [
        sum(
            amount(spent)
            for (of, _), outcome in results.items()
            if of == seed
            for spent in outcome.kinds.values()
        )
        for seed in _seeds(results)
    ]


def _of_workflow(results: Results, name: str) -> list[float]:
    return [_total(outcome) for (_, workflow), outcome in results.items() if workflow == name]


def _kinds(results: Results) -> dict[str, Spent]:
    """All seeds together, by workflow and kind."""
    found: dict[str, Spent] = {}
    for (_, workflow), outcome in results.items():
        for kind, spent in outcome.kinds.items():
            total = found.setdefault(f"{workflow} {kind}", Spent())
            total.waste += spent.waste
            total.usage += spent.usage
    return found


def _smaller(results: Results) -> Results:
    """Without the kinds that use most memory-time of all."""
    kinds = _kinds(results)
    largest = sorted(kinds, key=lambda each: -kinds[each].usage)[:LARGEST_KINDS]
    return {
        key: Outcome(
            {k: spent for k, spent in outcome.kinds.items() if f"{key[1]} {k}" not in largest}
        )
        for key, outcome in results.items()
    }


def _median_kind(results: Results) -> float:
    """Waste over usage of the median kind, mean over seeds."""
    medians = [
        np.median(
            [
                spent.waste / spent.usage
                for (of, _), outcome in results.items()
                if of == seed
                for spent in outcome.kinds.values()
            ]
        )
        for seed in _seeds(results)
    ]
    return float(np.mean(medians))


def _over(results: Results, base: Results) -> float:
    """The geometric mean over kinds and seeds of waste over that of the base."""
    logs = [
        np.log(spent.waste / base[key].kinds[kind].waste)
        for key, outcome in results.items()
        for kind, spent in outcome.kinds.items()
    ]
    return float(np.exp(np.mean(logs)))


def _failures(results: Results) -> float:
    """Missed attempts an instance."""
    every = [spent for outcome in results.values() for spent in outcome.kinds.values()]
    return sum(each.failures for each in every) / sum(each.instances for each in every)


def _in_time(kinds: Mapping[str, Mapping[str, Sequence[Instance]]]) -> dict[str, Any]:
    """The stricter protocol: in the order of time, learning late, a worker's memory as limit."""
    entries = (*OURS, Entry(BASE, simple.MaxSeen, size=False))
    rows = {}
    for entry in entries:
        results = {
            (0, name): run_in_time(
                split_in_time(name, group),
                entry.make(),
                size=entry.size,
                limit=max(each.task.request for rows in group.values() for each in rows),
            )
            for name, group in kinds.items()
        }
        rows[f"in time: {entry.name}"] = {
            **{name: _total(results[0, name]) for name in WORKFLOWS},
            "sum": _waste(results),
            "median kind": _median_kind(results),
            "failures": _failures(results),
        }
    return rows


def _work(
    kinds: Mapping[str, Mapping[str, object]],
    trials: Mapping[tuple[int, str], Trial],
    *,
    able: bool,
) -> str:
    seeds = {seed for seed, _ in trials}
    missing = "" if able else " The arms on LightGBM were left out (--quick, or no extra `bench`)."
    return WORK.format(
        kinds=sum(map(len, kinds.values())),
        streamed=sum(len(each.stream) for each in trials.values()) // len(seeds),
        seeds=len(seeds),
        missing=missing,
    )


def _ratios(
    rows: Mapping[str, Mapping[str, Any]], peers: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    return {
        f"sum: {name} over {peer}": row["sum"] / peers[peer]["sum"]
        for name, row in rows.items()
        for peer in (BASE, "sel-off" if name == "read" else "sel-off, beforehand")
        if peer in peers
    }


def _goals(name: str, row: Mapping[str, Any], results: Results, base: Results) -> tuple[Goal, ...]:
    bar = BARS[name]
    worse = [
        each
        for each in WORKFLOWS
        if np.median(_of_workflow(results, each)) > np.median(_of_workflow(base, each))
    ]
    return (
        _below(f"{name}: sum (GBh)", bar.sum, row["sum"], "{:.0f}"),
        _below(f"{name}: waste over usage, median kind", bar.median_kind, row["median kind"]),
        _below(f"{name}: over max-seen, geometric mean", bar.over_base, row["over max-seen"]),
        _below(f"{name}: failures an instance", bar.failures, row["failures"], "{:.4f}"),
        Goal(f"{name}: workflows worse than max-seen", "0", str(len(worse)), not worse),
    )


def _below(name: str, most: float, found: float, shown: str = "{:.3f}") -> Goal:
    return Goal(name, f"<= {most:g}", shown.format(found), found <= most)
