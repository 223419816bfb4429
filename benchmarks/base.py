"""The shape of a benchmark and of what it found."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True)
class Part:
    """What one file of a benchmark found; a benchmark of several files puts them together.

    Names in `ours`, `peers` and `ratios` say which part they belong to.
    """

    ours: Mapping[str, Any]
    goals: tuple[Goal, ...]
    peers: Mapping[str, Any] = field(default_factory=dict)
    ratios: Mapping[str, float] = field(default_factory=dict)


def combined(work: str, parts: Sequence[Part]) -> Found:
    """One result of several parts, in their order; raises ValueError where two share a name."""
    return Found(
        work=work,
        ours=_together([part.ours for part in parts]),
        goals=tuple(goal for part in parts for goal in part.goals),
        peers=_together([part.peers for part in parts]),
        ratios=_together([part.ratios for part in parts]),
    )


class Benchmark(ABC):
    """Measures one claim. `data` is a folder of public logs, or None; `quick` asks for less."""

    title: ClassVar[str]

    @abstractmethod
    def run(self, *, data: Path | None, quick: bool) -> Found:
        """The figures; raises where what was measured is not even right."""


def _together(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mapping in each:
        if twice := sorted(found.keys() & mapping.keys()):
            raise ValueError(f"Parts of a benchmark must name their figures apart, found {twice}.")
        found |= mapping
    return found
