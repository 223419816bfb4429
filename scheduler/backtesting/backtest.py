"""What would have been, had the policy been in charge: the whole backtest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from scheduler.backtesting.known import Kept, Known
from scheduler.backtesting.paces import Paces
from scheduler.backtesting.past import LeftOut, PastRun, past_runs
from scheduler.backtesting.replaying import Policy, Replayed, Replaying, Watcher
from scheduler.backtesting.verdict import Verdict, by_workflow, sentences, verdict
from scheduler.cluster import Cluster
from scheduler.errors import NotFound
from scheduler.records import TaskRecord


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which past runs: that began between two moments, of one workflow, the newest so many.

    `cluster` says which workers there were; without it each run has those that it used. With
    `sized` the policy's sizing decides on memory, also where owners asked for some.
    """

    since: datetime | None = None
    until: datetime | None = None
    workflow: str | None = None
    limit: int = 50
    cluster: Cluster | None = None
    sized: bool = False

    def takes(self, run: PastRun) -> bool:
        """Whether the run is one of them."""
        after = self.since is None or run.began >= self.since
        before = self.until is None or run.began < self.until
        return after and before and self.workflow in (None, run.workflow.name)


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """What was found."""

    runs: tuple[Replayed, ...]
    left_out: tuple[LeftOut, ...]
    whole: Verdict
    workflows: Mapping[str, Verdict]
    words: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "words": list(self.words),
            "total": self.whole.document,
            "workflows": {name: each.document for name, each in self.workflows.items()},
            "runs": [asdict(each) for each in self.runs],
            "left_out": [asdict(each) for each in self.left_out],
        }


def backtest(
    records: Sequence[TaskRecord],
    policy: Policy,
    asked: Asked,
    *,
    kept: Kept | None = None,
    seed: int = 0,
    watch: Watcher | None = None,
) -> Backtest:
    """Replays past runs under the policy, as it would have been then.

    Each forecast rests on what had ended before the run began; `kept` tells of versions and
    promotions. What tasks take on other workers rests on all records, later ones too: that is the
    world, not the policy. Raises NotFound where no run can be replayed, AllotError where the
    predictor sees the future.
    """
    found = list(past_runs(records, cluster=asked.cluster, sized=asked.sized))
    left_out = [each for each in found if isinstance(each, LeftOut)]
    taken = [each for each in found if isinstance(each, PastRun) and asked.takes(each)]
    taken = taken[-asked.limit :]
    replaying = Replaying(policy=policy, paces=Paces.learn(records))
    known: Callable[[PastRun], Known] = lambda run: Known(run.began, records, kept)  # noqa: E731
    results = list(replaying.runs(taken, known, watch=watch))
    runs = tuple(each for each in results if isinstance(each, Replayed))
    left_out += [each for each in results if isinstance(each, LeftOut)]
    if not runs:
        raise NotFound(_nothing(left_out))
    rng = np.random.default_rng(seed)
    whole = verdict(runs, rng)
    replayed = {each.name for each in runs}
    return Backtest(
        runs=runs,
        left_out=tuple(left_out),
        whole=whole,
        workflows=by_workflow(runs, rng),
        words=tuple(
            sentences(whole, runs, [each for each in taken if each.name in replayed], left_out)
        ),
    )


def _nothing(left_out: Sequence[LeftOut]) -> str:
    first = left_out[0] if left_out else None
    why = "" if first is None else f" The first of {len(left_out)}: {first.name}: {first.why}."
    return (
        "There is no past run to replay: it takes records with run, task, worker and times, of "
        f"runs whose tasks all succeeded.{why}"
    )
