"""All arms fitted on the same rows, and which of them serves which target."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from learner.arms.base import Arm
from learner.arms.boosted import BoostedArm, installed
from learner.arms.forest import ForestArm
from learner.arms.mixture import MixtureArm
from learner.arms.network import Learn, NetworkArm
from learner.arms.offset import OffsetArm
from learner.arms.scratch import ScratchArm, scarce
from learner.calibration import Calibration
from learner.examples import Examples
from learner.history import QUANTITIES as HISTORIES
from learner.history import TASK_COLUMNS
from learner.learned import Learned
from learner.metrics import Naive, evaluate
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.base import Scores
from learner.training.fit import fit
from learner.training.settings import TrainingSettings

KNOWN: tuple[type[Arm], ...] = (
    OffsetArm,
    ForestArm,
    BoostedArm,
    MixtureArm,
    ScratchArm,
    NetworkArm,
)
SIMPLEST_FIRST = tuple(each.name for each in KNOWN)
ARMS: Mapping[str, type[Arm]] = {each.name: each for each in KNOWN}
SUBJECTS = 3 * len(HISTORIES)  # columns of the history that tell of subjects
TIE = 0.01  # how much more error, relatively, the simpler arm may have
NOTHING = 1e-4  # a difference that nobody notices
Serves = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Lineup:
    """Arms that stand on the same offsets; `others` are those beside the network, by name."""

    examples: Examples
    offsets: Offsets
    network: NetworkArm
    others: Mapping[str, Arm]

    @classmethod
    def fit(
        cls,
        examples: Examples,
        settings: TrainingSettings,
        *,
        learn: Learn = fit,
        like: Self | None = None,
        names: Collection[str] = SIMPLEST_FIRST,
        champion: Learned | None = None,
    ) -> Self:
        """Fits the arms on the training rows, LightGBM only where it is installed, and a network
        without offsets only where labels are scarce. The mixture only where the log names subjects.

        With `like`, each for as long as was best for that one; then the network is only fitted if
        it is among the names. `learn` is the loop for the network.
        """
        offsets, former = Offsets.fit(examples), dict(like.others) if like else {}
        others: dict[str, Arm] = {}
        if OffsetArm.name in names:
            others[OffsetArm.name] = OffsetArm.fit(examples, offsets)
        if ForestArm.name in names:
            others[ForestArm.name] = ForestArm.fit(examples, offsets, seed=settings.seed)
        if BoostedArm.name in names and installed():
            trees = former.get(BoostedArm.name)
            others[BoostedArm.name] = BoostedArm.fit(
                examples,
                offsets,
                seed=settings.seed,
                threads=settings.threads,
                like=trees if isinstance(trees, BoostedArm) else None,
            )
        if MixtureArm.name in names and _names_subjects(examples):
            others[MixtureArm.name] = MixtureArm.fit(examples, offsets, seed=settings.seed)
        scratch = former.get(ScratchArm.name)
        if ScratchArm.name in names and (scratch is not None or scarce(examples)):
            others[ScratchArm.name] = ScratchArm.fit(
                examples,
                offsets,
                settings,
                like=scratch if isinstance(scratch, ScratchArm) else None,
            )
        if like is not None and NetworkArm.name not in names:
            return cls(examples, offsets, like.network, others)
        guide = like.network if like else None
        network = NetworkArm.fit(
            examples, offsets, settings, learn=learn, like=guide, champion=champion
        )
        return cls(examples, offsets, network, others)

    def learned(self, serves: Serves) -> Learned:
        """What forecasts with these arms, not yet calibrated."""
        arms = {target: self.others[arm] for target, arm in serves.items() if arm in self.others}
        columns = self.examples.columns
        return Learned(self.network.network, columns, self.offsets, Calibration.none(), arms)

    def alone(self, name: str) -> Learned:
        """The same with one arm for all targets, calibrated on the validation rows."""
        plain = self.learned(dict.fromkeys(targets(), name))
        return plain.calibrated(self.examples)


@dataclass(frozen=True)
class Choice:
    """Which arm serves each target, and each arm's errors on validation and test rows."""

    serves: Serves
    errors: Mapping[str, Mapping[str, Mapping[str, float | None]]]

    @classmethod
    def of(cls, lineup: Lineup) -> "Choice":
        """The arm with the least error on the validation rows, and nothing but them.

        Quantities are compared by pinball loss, the risk by Brier score, assignment by regret. Of
        arms within one percent the simpler one serves.
        """
        found: dict[str, dict[str, Mapping[str, Scores]]] = {}
        examples = lineup.examples
        naive, split = Naive.of(examples), examples.split
        for name in (each for each in SIMPLEST_FIRST if each in {*lineup.others, "network"}):
            learned = lineup.alone(name)
            parts = {"validation": split.validation, "test": split.test}
            found[name] = {
                part: evaluate(learned, examples, rows, naive=naive) for part, rows in parts.items()
            }
        serves = {
            target: simplest_of_best({n: each["validation"][target] for n, each in found.items()})
            for target in targets()
        }
        errors = {
            target: {
                name: {part: error_of(scores[target]) for part, scores in each.items()}
                for name, each in found.items()
            }
            for target in targets()
        }
        return cls(serves, errors)

    def as_plain(self) -> dict[str, dict[str, object]]:
        """JSON values for manifests and the store: by target who serves it, and all errors."""
        return {name: {"arm": arm, **self.errors[name]} for name, arm in self.serves.items()}


def _names_subjects(examples: Examples) -> bool:
    """Whether the past of subjects is known: what the mixture's lines have beyond the offset."""
    known = {number.name for number in examples.columns.numbers if number.context}
    return not known.isdisjoint(TASK_COLUMNS[:SUBJECTS])


def simplest_of_best(scores: Mapping[str, Scores]) -> str:
    """The first arm that has the least error, give or take what nobody notices.

    Where no row can tell, the first: simpler ones come first.
    """
    known = {name: e for name, each in scores.items() if (e := error_of(each)) is not None}
    if not known:
        return next(iter(scores))
    least = min(known.values()) * (1 + TIE)
    best_cost = max((each.get("best_cost") or 0.0) for each in scores.values())
    return next(name for name, error in known.items() if error <= least + TIE * best_cost + NOTHING)


def error_of(scores: Scores) -> float | None:
    """What arms are compared by: pinball loss where there are quantiles, else the error."""
    return scores.get("pinball", scores["error"])
