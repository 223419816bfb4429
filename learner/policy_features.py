"""What is known of pieces of work, made fit to compare: no column dominates, none is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FARTHEST = 5.0  # standard deviations beyond which a value says no more


@dataclass(frozen=True, eq=False)
class Encoding:
    """Columns of any sign and scale, missing values included, to columns that learners can read.

    Missing values become the median, and a flag where some are missing; then `sign(x) log(1 +
    |x|)`, so that ratios count, and standard deviations from the mean, clipped. Constant columns
    go, and flags that say the same as another.

    Shape: usual, centre, spread: columns kept as in `kept`; flags: places of columns.
    """

    kept: NDArray[np.int64]
    usual: Floats
    centre: Floats
    spread: Floats
    flags: NDArray[np.int64]

    @classmethod
    def fit(cls, features: Floats) -> Self:
        """Learned from training rows. Shape: n x columns, NaN where missing."""
        missing = np.isnan(features)
        always, ever = np.all(missing, axis=0), np.any(missing, axis=0)
        some = np.flatnonzero(~always)
        usual = np.nanmedian(features[:, some], axis=0)
        logs = _logs(np.where(missing[:, some], usual, features[:, some]))
        centre, spread = logs.mean(0), logs.std(0)
        lively = spread > 1e-9
        _, firsts = np.unique(missing, axis=1, return_index=True)
        flags = np.sort(firsts[(ever & ~always)[firsts]])
        return cls(some[lively], usual[lively], centre[lively], spread[lively], flags)

    def apply(self, features: Floats) -> Floats:
        """Shape: n x columns in; n x (columns kept + flags) out, without NaN."""
        missing = np.isnan(features)
        kept = np.where(missing[:, self.kept], self.usual, features[:, self.kept])
        told = (_logs(kept) - self.centre) / self.spread
        shown = np.clip(told, -FARTHEST, FARTHEST)
        return np.hstack([shown, missing[:, self.flags].astype(np.float64)])

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same encoding."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The encoding that `as_arrays` wrote."""
        return cls(**arrays)


def _logs(values: Floats) -> Floats:
    logs: Floats = np.sign(values) * np.log1p(np.abs(values))
    return logs
