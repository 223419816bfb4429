"""The shape of a benchmark and of what it found."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Goal:
    """What was asked for, what was found, and whether that is enough."""

    name: str
    goal: str
    found: str
    met: bool


@dataclass(frozen=True)
class Found:
    """One benchmark's result: figures of ours and of peers on the same work, ratios, goals."""

    work: str
    ours: Mapping[str, Any]
    goals: tuple[Goal, ...]
    peers: Mapping[str, Any] = field(default_factory=dict)
    ratios: Mapping[str, float] = field(default_factory=dict)


class Benchmark(ABC):
    """Measures one claim. `data` is a folder of public logs, or None; `quick` asks for less."""

    title: ClassVar[str]

    @abstractmethod
    def run(self, *, data: Path | None, quick: bool) -> Found:
        """The figures; raises where what was measured is not even right."""
