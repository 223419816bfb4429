"""What an attempt is told about the place where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """The worker, its labels, and the allocation that the attempt is held to (cores, bytes)."""

    worker: str
    cores: float
    memory: int
    labels: Mapping[str, str] = field(default_factory=dict)
