"""Claims: no attempt begins twice, and what became of one can be found after everybody is gone.

Before anything of an attempt runs, whoever runs it writes its claim; its end is written before it
is told. Who comes later and asks writes the same claim where there is none, as a fence: a start
that is still on its way then finds it and refuses. A claim is written whole beside its place and
then linked there, so that there is one or none, never half of one.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import psutil

from scheduler.processes import Identity

ROOT = Path("~/.allot/runs")  # where nothing else is said, by the environment's ALLOT_RUNS
FENCE, CLAIM, ENDED, STOP = "fence", "claim", "ended", "stop"


@dataclass(frozen=True)
class Name:
    """An attempt of a run, begun in one epoch of it."""

    task: str
    attempt: int
    epoch: int

    @property
    def stem(self) -> str:
        """How its files are called, whatever characters the task's name has."""
        return f"{hashlib.sha256(self.task.encode()).hexdigest()[:32]}.{self.attempt}.{self.epoch}"


@dataclass(frozen=True)
class Found:
    """What a claim tells: `fate` is not_begun, ended, running or unknown.

    `answer` is what was written of the end, `why` says why nobody can know.
    """

    fate: str
    answer: Mapping[str, Any] | None = None
    why: str = ""


@dataclass(frozen=True)
class Claims:
    """The claims of one run's attempts, in a folder of the machine on which they run.

    `run` is a name that no other run has, `root` the folder that holds those of all runs. Raises
    OSError where it cannot be written: nothing begins then.
    """

    root: Path
    run: str

    @property
    def folder(self) -> Path:
        """Where the claims of this run lie."""
        return self.root / quote(self.run, safe=" ")

    def take(self, name: Name, holder: Identity) -> bool:
        """Claims an attempt for the process that will run it; False where somebody has before."""
        return self._write_new(name, {"kind": CLAIM, "task": name.task, **asdict(holder)})

    def end(self, name: Name, answer: Mapping[str, Any], *, told: bool = False) -> None:
        """Keeps the end of an attempt; it is there, whole, when this returns.

        Where it is `told` to somebody who keeps it too, a power cut may take this copy away.
        """
        with self._written(name, answer) as draft:
            if not told:
                os.fsync(draft.fileno())
            Path(draft.name).replace(self._file(name, ENDED))

    def ended(self, name: Name) -> Mapping[str, Any] | None:
        """What was kept of its end; None while there is nothing. Raises ValueError for damage."""
        return _read(self._file(name, ENDED))

    def ask_to_stop(self, name: Name) -> None:
        """Lets whoever watches the attempt know that it is to be stopped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file(name, STOP).touch()

    def stop_asked(self, name: Name) -> bool:
        """Whether somebody wants it to stop."""
        return self._file(name, STOP).exists()

    def recall(self, name: Name, *, by: Identity) -> Found:
        """What became of an attempt; one that has not begun never will under this name."""
        if self._write_new(name, {"kind": FENCE, **asdict(by)}):
            return Found("not_begun")
        return self.state(name)

    def state(self, name: Name) -> Found:
        """What became of an attempt, without any claim of our own."""
        try:
            claim = _read(self._file(name, CLAIM)) or {}
            if claim.get("kind") == FENCE:
                return Found("not_begun")
            return self._claimed(name, Identity.read(claim))
        except (ValueError, KeyError, TypeError) as error:
            return Found("unknown", why=f"its claim or its end cannot be read ({error!r})")

    def _claimed(self, name: Name, watcher: Identity) -> Found:
        lives = watcher.lives  # asked first: it writes the end before it leaves
        answer = self.ended(name)
        if answer is not None:
            if answer["outcome"] == "lost":
                return Found("unknown", answer, f"it was {answer['message']}")
            return Found("ended", answer)
        if not watcher.local:
            return Found("unknown", why=f"it ran on the machine {watcher.host!r}")
        if lives:
            return Found("running")
        left = end_all_of(self.run, name)
        stopped = f"; {left} of its processes still ran and were stopped" if left else ""
        return Found("unknown", why=f"the process that watched it is gone and left no end{stopped}")

    def _write_new(self, name: Name, content: Mapping[str, Any]) -> bool:
        """Whether the claim is ours; it is safe on the disk, name and content, when we say so."""
        with self._written(name, content) as draft:
            try:
                os.link(draft.name, self._file(name, CLAIM))
            except FileExistsError:
                return False
            os.fsync(draft.fileno())  # after the link, so that the name is safe with it
        return True

    @contextmanager
    def _written(self, name: Name, content: Mapping[str, Any]) -> Iterator[TextIO]:
        """The content in a file of its own, gone after the block."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.folder / f".{name.stem}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            with draft.open("x", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                json.dump(content, file)
                file.flush()
                yield file
        finally:
            with suppress(FileNotFoundError):  # it was moved to its place
                draft.unlink()

    def _file(self, name: Name, sort: str) -> Path:
        return self.folder / f"{name.stem}.{sort}"


def claim_from(plain: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Claims, Name]:
    """What an order says of the claim of its attempt; `root` may be left to the environment."""
    root = claims_root(environment) if plain["root"] is None else Path(plain["root"])
    return Claims(root, plain["run"]), Name(**plain["name"])


def claims_root(environment: Mapping[str, str]) -> Path:
    """Where a machine with this environment keeps the claims of all runs."""
    return Path(environment.get("ALLOT_RUNS") or ROOT).expanduser()


def tidy(root: Path, *, before: float) -> int:
    """Deletes the claims of runs in which nothing began since then and of which nothing goes on.

    `before` is the clock's time in seconds. Returns how many runs those were.
    """
    if not root.is_dir():
        return 0
    old = [each for each in root.iterdir() if each.is_dir() and each.stat().st_mtime < before]
    over = [each for each in old if all(map(_over, each.glob(f"*.{CLAIM}")))]
    for each in over:
        shutil.rmtree(each, ignore_errors=True)  # somebody else may be at it too
    return len(over)


def _over(claim: Path) -> bool:
    with suppress(ValueError):  # damaged: kept for people to look at
        found = _read(claim) or {}
        return found.get("kind") == FENCE or claim.with_suffix(f".{ENDED}").exists()
    return False


def marks(run: str, name: Name) -> dict[str, str]:
    """The variables by which an attempt, and every process that it starts, is known."""
    return {"ALLOT_RUN": run, "ALLOT_TASK": name.task, "ALLOT_ATTEMPT": str(name.attempt)}


def end_all_of(run: str, name: Name) -> int:
    """Ends the processes that an attempt has left; returns how many there were."""
    wanted, ended = marks(run, name).items(), 0
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone meanwhile, or of somebody else
            if process.pid != os.getpid() and wanted <= process.environ().items():
                process.kill()
                ended += 1
    return ended


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(content, dict):
        raise ValueError(f"{file.name} holds no object")
    return content
