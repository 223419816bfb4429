"""What a training may be told."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from learner.methods import method_named
from learner.networks.base import Shape
from learner.networks.network import sharing_named
from learner.targets import targets
from learner.text import GRAMS, embedding_named
from learner.weighting import weighting_named
from scheduler.errors import InvalidInput
from scheduler.numbers import at_least_one, finite, positive

SEEDS = 2**32  # what numpy takes as a seed

LARGE = 2048  # rows from which on larger batches lose nothing
STOPPINGS = ("loss", "delta_m")
MANY = 131_072  # rows from which on batches grow with them


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train; the defaults suit logs of some hundred to some ten thousand attempts.

    `batch` None chooses by the number of rows. `forget` is the share of rows whose kind or worker
    is shown as UNKNOWN, so that the network learns what to say of names it never saw. `patience`
    is how many epochs may pass without a better one; `stopping` says what better is: `loss`, the
    least sum of the validation losses, or `delta_m`, the largest mean over the targets of how much
    of its loss after the first epoch each has lost, so that none counts more for being large.
    `threads` are per training worker. `weighting` balances the targets; `loss_weights`, by target,
    are those of the static one.
    `text` reads names of kinds, so that new ones borrow from those alike: `grams`, `transformer`
    (the extra `text`), or a local folder with a transformer; `described` are commands or
    descriptions by kind, of kinds that are still to come too.
    With `auxiliary` the network also learns what logs measure but no forecast holds. `methods` are
    further ways of learning, by name, with their options.

    Of a log with more than `hold` records memory holds a sample of so many: the network still
    learns from all of them, all else from the sample (`docs/decisions/streaming.md`).

    `folds` is how many times the chosen arms are fitted again, each time without a part of the
    training rows, to calibrate on what they then say of that part; 0 calibrates on the validation
    rows alone. With `refit` the version that serves has seen all rows; its scores are always those
    of the fit that had not.

    `epsilon` is AdamW's: gradients much below it move nothing. At the usual 1e-8 rounding can, so
    that more training workers end with other losses in the fifth digit; 1e-6 keeps six digits.
    """

    sharing: str = "cgc"
    shape: Shape = field(default_factory=Shape)
    seed: int = 0
    epochs: int = 30
    patience: int = 8
    stopping: str = "loss"
    batch: int | None = None
    rate: float = 3e-3
    decay: float = 1e-3
    clip: float = 1.0
    epsilon: float = 1e-8
    forget: float = 0.05
    threads: int = 1
    folds: int = 4
    refit: bool = True
    hold: int = 200_000
    known_beforehand: tuple[str, ...] = ()
    weighting: str = "static"
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    auxiliary: bool = False
    text: str = GRAMS
    described: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sharing_named(self.sharing)
        embedding_named(self.text)
        finite(self.seed, "seed", InvalidInput)
        if self.seed != int(self.seed) or not 0 <= self.seed < SEEDS:
            raise InvalidInput(
                f"seed must be a whole number in 0..{SEEDS - 1}, found {self.seed!r}."
            )
        weighting_named(self.weighting, tuple(targets()))
        self._check_loss_weights()
        for name, options in self.methods.items():
            method_named(name, options)
        for name in ("epochs", "patience", "threads", "hold"):
            at_least_one(getattr(self, name), name, InvalidInput)
        if self.stopping not in STOPPINGS:
            raise InvalidInput(
                f"stopping must be one of {', '.join(STOPPINGS)}, found {self.stopping!r}."
            )
        if self.folds < 0:
            raise InvalidInput(f"folds must be at least 0, found {self.folds!r}.")
        if self.batch is not None:
            at_least_one(self.batch, "batch", InvalidInput)
        for name in ("rate", "clip", "epsilon"):
            positive(getattr(self, name), name, InvalidInput)
        shares = {
            "forget": self.forget,
            "dropout": self.shape.dropout,
            "spare": self.shape.spare,
        }
        for name, value in shares.items():
            finite(value, name, InvalidInput)
            if not 0 <= value < 1:
                raise InvalidInput(f"{name} must lie in 0..1, below 1, found {value!r}.")

    def _check_loss_weights(self) -> None:
        for name, weight in self.loss_weights.items():
            if name not in targets():
                known = ", ".join(targets())
                raise InvalidInput(f"loss_weights must name targets ({known}), found {name!r}.")
            positive(weight, f"loss_weights.{name}", InvalidInput)
        if self.loss_weights and self.weighting != "static":
            raise InvalidInput(
                "loss_weights belong to the static weighting, found them with "
                f"{self.weighting!r}; leave one of the two out."
            )

    def batch_of(self, rows: int) -> int:
        """Rows in one step: a sixteenth of them, from 32 to 128; of 2,048 and more an eighth, to
        512; of 131,072 and more a 256th, to 4,096."""
        usual = min(rows // 8, 512) if rows >= LARGE else min(rows // 16, 128)
        if rows >= MANY:
            usual = min(rows // 256, 4096)
        return self.batch or max(usual, 32)

    def as_plain(self) -> dict[str, Any]:
        """JSON values for the store."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "TrainingSettings":
        """The settings that `as_plain` told; other values beside them do not matter."""
        known = {each.name: plain[each.name] for each in fields(cls) if each.name in plain}
        known["shape"] = Shape(**plain["shape"])
        known["known_beforehand"] = tuple(plain["known_beforehand"])
        return cls(**known)


def priorities(texts: Sequence[str]) -> dict[str, float]:
    """Weights in the loss as a command names them: `duration=2`.

    Raises InvalidInput for what is no number; the settings check names and signs.
    """
    found = {}
    for text in texts:
        name, _, weight = text.partition("=")
        try:
            found[name.strip()] = float(weight)
        except ValueError as error:
            raise InvalidInput(
                f"A priority is TARGET=NUMBER, found {text!r}; write for example duration=2."
            ) from error
    return found
