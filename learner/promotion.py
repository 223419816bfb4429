"""Whether a new version replaces the champion: decided from scores, with reasons in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learner.metrics import relative_error
from learner.targets.base import Scores

Floats = NDArray[np.float64]
MARGIN = 0.05  # how much worse one target may become when the mean gets better
QUANTITIES = ("duration", "memory", "cpu")
GAIN = 0.001  # how much better the mean must be at least
NOTHING = 1e-3  # an error that nobody notices: a thousandth of a log, or of a Brier score
NOTICED = 0.02  # how much more of a log's error somebody notices: two percent of the quantity
RARELY = 0.02  # of a Brier score, which few failures decide
LUCK = 0.1  # by which Brier scores vary at least
CHEAP = 0.01  # and of regret: a hundredth of the best cost
SURE = 0.9  # the share of draws in which it must be better
HARM = 0.75  # the share of draws in which something is worse that keeps it out
KIND_MARGIN, KIND_SURE, FEWEST = 0.15, 4.0, 8  # of one kind: how much, deviations, attempts
CELL_MARGIN, CELL_SURE = 0.3, 4.5  # of one kind on one worker
REGRET, REGRET_SURE = 0.05, 2.5  # of the best makespan; deviations
DRAWS, SEED = 500, 0
PROMOTED, UNDECIDED, REFUSED = "promoted", "undecided", "refused"


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why. `verdict` also tells refused from not yet decided."""

    promote: bool
    reasons: tuple[str, ...]
    verdict: str = ""

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, eq=False)
class Compared:
    """Losses of a challenger and of the champion on the same attempts, of which neither learned.

    Shape: losses: by target, n x 2, the challenger's first, NaN where not observed; run, kind and
    worker: n names (none where no worker is looked at alone); regrets: simulated workflows x 2,
    shares of the best makespan.
    """

    losses: Mapping[str, Floats]
    run: NDArray[np.str_]
    kind: NDArray[np.str_]
    regrets: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    worker: NDArray[np.str_] | None = None

    @property
    def cell(self) -> NDArray[np.str_]:
        """Each attempt's kind on its worker."""
        if self.worker is None:
            return self.kind
        pairs = zip(self.kind.tolist(), self.worker.tolist(), strict=True)
        return np.array([" on ".join(each) for each in pairs], dtype=str)

    @property
    def drawn(self) -> NDArray[np.str_]:
        """What is drawn as a whole: runs, or the kinds on workers of the only one."""
        return self.run if len(np.unique(self.run)) > 1 else self.cell


def decide(
    challenger: Mapping[str, Scores], champion: Mapping[str, Scores] | None = None
) -> Decision:
    """Compares two versions by their scores on the same held-out rows.

    The first version must beat the naive baseline on its quantities in the mean. A later one must
    have less error than the champion in the mean over all targets that both can tell, and no
    target more than five percent worse.
    """
    rival = "the naive baseline" if champion is None else "the champion"
    ratios = _ratios(challenger, champion)
    if not ratios:
        return Decision(False, ("no held-out attempt can tell how good it is",), UNDECIDED)
    mean = sum(ratios.values()) / len(ratios)
    worse = [name for name, ratio in ratios.items() if ratio > 1 + MARGIN]
    reasons = [f"{name}: {_words(ratio)} {rival}" for name, ratio in ratios.items()]
    summary = f"in the mean {_words(mean)} {rival}"
    blocked = champion is not None and bool(worse)
    if blocked:
        reasons.append(f"more than {MARGIN:.0%} worse on {', '.join(worse)}")
    promote = mean < 1 - GAIN and not blocked
    return Decision(promote, (summary, *reasons), PROMOTED if promote else REFUSED)


def weigh(compared: Compared) -> Decision:
    """Whether a challenger is surely better than the champion, and nowhere surely worse.

    What few runs tell by chance decides nothing: whole runs are drawn again and again (bootstrap
    of clusters), or, where there is one alone, its kinds on workers. Refused is what is worse in
    the mean, on a target, on a kind, or in the simulator, by so much that somebody would notice;
    what is neither surely better nor worse stays undecided until more attempts have ended.
    """
    names = [name for name, each in compared.losses.items() if (~np.isnan(each)).all(1).any()]
    if not names:
        return Decision(False, ("no held-out attempt can tell how good it is",), UNDECIDED)
    drawn = {name: _drawn(compared.losses[name], compared.drawn, _least(name)) for name in names}
    ratios = {name: float(each[0]) for name, each in drawn.items()}
    means = np.mean(list(drawn.values()), axis=0)
    sure = float((means[1:] < 1 - GAIN).mean())
    noticed = [name for name in names if _noticed(name, compared.losses[name])]
    against = [
        *_worse_targets({name: drawn[name] for name in noticed}),
        *_worse_kinds(compared),
        *_worse_plans(compared.regrets),
    ]
    mean = float(means[0])
    told = (
        f"in the mean {_words(mean)} the champion, so in {sure:.0%} of draws",
        *(f"{name}: {_words(ratio)} the champion" for name, ratio in sorted(ratios.items())),
        *against,
    )
    if against or mean > 1 + MARGIN or (mean > 1 and sure < 1 - SURE):
        return Decision(False, told, REFUSED)
    better = mean < 1 - GAIN and sure >= SURE
    unclear = [name for name in noticed if ratios[name] > 1 + MARGIN]
    if better and not unclear:
        return Decision(True, told, PROMOTED)
    return Decision(False, (*told, "not yet sure"), UNDECIDED)


def _drawn(losses: Floats, run: NDArray[np.str_], least: float) -> Floats:
    """The ratio of mean losses: as it is, then in draws of whole runs."""
    seen = ~np.isnan(losses).any(1)
    group = np.unique(run, return_inverse=True)[1]
    count = int(group.max()) + 1
    totals = np.stack(
        [np.bincount(group[seen], each, count) for each in losses[seen].T]
        + [np.bincount(group[seen], minlength=count).astype(np.float64)],
        axis=1,
    )
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(count, np.full(count, 1 / count), DRAWS)
    sums = np.vstack([np.ones((1, count)), weights]) @ totals
    rows = np.maximum(sums[:, 2], 1)
    ratios: Floats = (sums[:, 0] / rows + least) / (sums[:, 1] / rows + least)
    return ratios


def _worse_targets(drawn: Mapping[str, Floats]) -> Iterator[str]:
    for name, ratios in sorted(drawn.items()):
        if ratios[0] > 1 + MARGIN and (ratios[1:] > 1 + MARGIN / 2).mean() >= HARM:
            yield f"more than {MARGIN:.0%} worse on {name}"


def _worse_kinds(compared: Compared) -> Iterator[str]:
    yield from _worse(compared, compared.kind, KIND_MARGIN, KIND_SURE)
    if compared.worker is not None:
        yield from _worse(compared, compared.cell, CELL_MARGIN, CELL_SURE)


def _worse(
    compared: Compared, group: NDArray[np.str_], margin: float, sure: float
) -> Iterator[str]:
    for name, losses in sorted(compared.losses.items()):
        seen = ~np.isnan(losses).any(1)
        for each in np.unique(group[seen]).tolist():
            mine, theirs = losses[seen & (group == each)].T
            if len(mine) < FEWEST:
                continue
            ratio = float((mine.mean() + _least(name)) / (theirs.mean() + _least(name)))
            if ratio > 1 + margin and _deviations(mine - theirs, _luck(name)) > sure:
                yield f"{name} of {each}: {_words(ratio)} the champion"


def _worse_plans(regrets: Floats) -> Iterator[str]:
    if len(regrets) < 2:
        return
    mine, theirs = regrets.T
    if mine.mean() - theirs.mean() > REGRET and _deviations(mine - theirs) > REGRET_SURE:
        yield (
            f"simulated plans by it regret {mine.mean():.1%} of the best makespan, "
            f"by the champion {theirs.mean():.1%}"
        )


def _noticed(target: str, losses: Floats) -> bool:
    """Whether the challenger errs by so much more that somebody who plans by it would notice."""
    mine, theirs = np.nanmean(losses[~np.isnan(losses).any(1)], axis=0)
    return bool(mine - theirs > NOTICED) or target not in QUANTITIES


def _least(target: str) -> float:
    return RARELY if target == "failure" else NOTHING


def _luck(target: str) -> float:
    """How far losses vary at least: where nothing failed, all of them agree by luck alone."""
    return LUCK if target == "failure" else 0.0


def _deviations(differences: Floats, least: float = 0.0) -> float:
    spread = max(float(differences.std(ddof=1)), least, 1e-12)
    return float(differences.mean()) * float(np.sqrt(len(differences))) / spread


def _ratios(
    challenger: Mapping[str, Scores], champion: Mapping[str, Scores] | None
) -> dict[str, float]:
    if champion is None:
        shares = relative_error(challenger)
        return {name: share for name, share in shares.items() if name in QUANTITIES}
    ratios = {}
    for name in challenger.keys() & champion.keys():
        mine, theirs = challenger[name]["error"], champion[name]["error"]
        if mine is not None and theirs is not None:
            least = CHEAP * (challenger[name].get("best_cost") or 0) + NOTHING
            ratios[name] = (mine + least) / (theirs + least)
    return dict(sorted(ratios.items()))


def _words(ratio: float) -> str:
    change = abs(1 - ratio)
    return f"{change:.1%} {'less' if ratio < 1 else 'more'} error than"
