"""The seam for log formats: one file each, two methods."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

from scheduler.records import TaskRecord


@dataclass(frozen=True)
class Refused:
    """A line that breaks a rule, kept with its reason so that nothing is lost.

    `file` is the name as given, `line` counts from 1 (for documents: the position of the task).
    `raw` is the line as found.
    """

    file: str
    line: int
    field: str
    rule: str
    value: str
    raw: str


@dataclass(frozen=True)
class Source:
    """One log file, and what its reader cannot know from the file itself.

    `run` names the run where the log does not; `timezone` is that of times without a zone.
    """

    path: Path
    run: str
    timezone: ZoneInfo


class LogFormat(ABC):
    """Reads one format of log. Units are converted here: seconds, bytes, cores, UTC.

    A `headed` one begins with a line that says what the cells of the others are; what a line of a
    `whole` one means is told by the rest of its document.
    """

    title: ClassVar[str]
    headed: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    @abstractmethod
    def recognises(self, path: Path, head: str) -> bool:
        """Whether a file with this name that begins with this text is of this format."""

    @abstractmethod
    def read(self, source: Source) -> Iterator[TaskRecord | Refused]:
        """Each line as a record, or refused with the reason; a bad line never stops the rest.

        Raises UnreadableLog when nothing of the file can be taken.
        """
