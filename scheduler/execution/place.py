"""What an attempt is told about the place where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ARROW_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "JULIA_NUM_THREADS",
    "GOMAXPROCS",
)


@dataclass(frozen=True)
class Place:
    """The worker, its labels, and the allocation that the attempt is held to (cores, bytes)."""

    worker: str
    cores: float
    memory: int
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        """How many threads suit the allocation; at least one."""
        return max(1, round(self.cores))
