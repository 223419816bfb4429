"""What a training may be told."""

from dataclasses import asdict, dataclass, field
from typing import Any

from learner.networks.base import Shape
from learner.networks.network import sharing_named
from scheduler.errors import InvalidInput
from scheduler.numbers import at_least_one, finite, positive


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train; the defaults suit logs of some hundred to some ten thousand attempts.

    `batch` None chooses by the number of rows. `forget` is the share of rows whose kind or worker
    is shown as UNKNOWN, so that the network learns what to say of names it never saw. `patience`
    is how many epochs may pass without a better one. `threads` are per training worker.
    """

    sharing: str = "cgc"
    shape: Shape = field(default_factory=Shape)
    seed: int = 0
    epochs: int = 40
    patience: int = 12
    batch: int | None = None
    rate: float = 3e-3
    decay: float = 1e-3
    clip: float = 1.0
    forget: float = 0.05
    threads: int = 1
    known_beforehand: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sharing_named(self.sharing)
        for name in ("epochs", "patience", "threads"):
            at_least_one(getattr(self, name), name, InvalidInput)
        if self.batch is not None:
            at_least_one(self.batch, "batch", InvalidInput)
        for name in ("rate", "clip"):
            positive(getattr(self, name), name, InvalidInput)
        for name, value in (("forget", self.forget), ("dropout", self.shape.dropout)):
            finite(value, name, InvalidInput)
            if not 0 <= value < 1:
                raise InvalidInput(f"{name} must lie in 0..1, below 1, found {value!r}.")

    def batch_of(self, rows: int) -> int:
        """Rows in one step: a sixteenth of them, from 32 to 256."""
        return self.batch or int(min(max(rows // 16, 32), 256))

    def as_plain(self) -> dict[str, Any]:
        """JSON values for the store."""
        return asdict(self)
