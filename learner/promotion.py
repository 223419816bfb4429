"""Whether a new version replaces the champion: decided from scores, with reasons in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from learner.metrics import relative_error
from learner.targets.base import Scores

MARGIN = 0.05  # how much worse one target may become when the mean gets better
QUANTITIES = ("duration", "memory", "cpu")
GAIN = 0.001  # how much better the mean must be at least
NOTHING = 1e-3  # an error that nobody notices: a thousandth of a log, or of a Brier score
CHEAP = 0.01  # and of regret: a hundredth of the best cost


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why."""

    promote: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


def decide(
    challenger: Mapping[str, Scores], champion: Mapping[str, Scores] | None = None
) -> Decision:
    """Compares two versions on the same held-out rows.

    The first version must beat the naive baseline on its quantities in the mean. A later one must
    have less error than the champion in the mean over all targets that both can tell, and no
    target more than five percent worse.
    """
    rival = "the naive baseline" if champion is None else "the champion"
    ratios = _ratios(challenger, champion)
    if not ratios:
        return Decision(False, ("no held-out attempt can tell how good it is",))
    mean = sum(ratios.values()) / len(ratios)
    worse = [name for name, ratio in ratios.items() if ratio > 1 + MARGIN]
    reasons = [f"{name}: {_words(ratio)} {rival}" for name, ratio in ratios.items()]
    summary = f"in the mean {_words(mean)} {rival}"
    blocked = champion is not None and bool(worse)
    if blocked:
        reasons.append(f"more than {MARGIN:.0%} worse on {', '.join(worse)}")
    return Decision(mean < 1 - GAIN and not blocked, (summary, *reasons))


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
