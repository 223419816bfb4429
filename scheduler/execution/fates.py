"""What has become of attempts that somebody else began, as their executor finds it afterwards."""

from dataclasses import dataclass

from scheduler.execution.events import Observation


@dataclass(frozen=True)
class NotBegun:
    """It has not begun, and by that order it never will: it can be started anew."""


@dataclass(frozen=True)
class Ended:
    """It is over, and this was observed of it."""

    observation: Observation


@dataclass(frozen=True)
class Running:
    """It runs. The session has taken it over, and `wait` tells of its end."""


@dataclass(frozen=True)
class Unknown:
    """It may have had its effects or not, and nobody can find out; `why` says so to people."""

    why: str


Fate = NotBegun | Ended | Running | Unknown
