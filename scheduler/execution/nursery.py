"""A small process that forks one child an attempt, so that each is measured and held alone.

`python -m scheduler.execution.nursery` reads one JSON order a line and answers each with one JSON
line. Actions are imported here once; a forked child then starts in milliseconds, its peak memory
and processor time are those the operating system accounts for it, and killing it frees everything.
An attempt that survives is watched to its end also where nobody is left to be told of it: that end
is kept with its claim.
"""

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from scheduler.execution.claims import Name, claim_from, marks, tidy
from scheduler.execution.kept import Stream
from scheduler.execution.orders import APART, Orders
from scheduler.execution.place import THREADS, Place
from scheduler.execution.watched import Limits, Watched, adopt_orphans, die_with_parent, watch
from scheduler.masking import Masker
from scheduler.processes import Identity

LONGEST_MESSAGE = 4000
MOST_SAID = 32 * 1024
LONGEST_LAST_WORDS = 500
OLD = 30 * 86400.0  # seconds for which the claims of a run are kept that is over
NOT_STARTED = 127  # as shells say it
_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


def private_channels() -> tuple[Orders, int]:
    """Orders and answers, moved off descriptors 0 and 1: those belong to the actions from then on.

    What an action prints at import goes to stderr; one that reads finds an end of file.
    """
    orders, answers = Orders(os.dup(0)), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, answers


def serve(orders: Orders, answers: int) -> None:
    """Carries out orders until the input ends; an attempt that runs then ends, unless it survives.

    `answers` is the descriptor that they are written to, while somebody reads there.
    """
    adopt_orphans()
    tidied = False
    for line in orders:
        answer = json.dumps(claimed(json.loads(line), orders, answers)).encode() + b"\n"
        try:
            while answer:
                answer = answer[os.write(answers, answer) :]
        except BrokenPipeError:  # everybody has left
            return
        if not tidied and (claim := json.loads(line).get("claim")) is not None:
            tidied = True  # when nobody waits for it
            with suppress(OSError):  # the next nursery does it
                tidy(claim_from(claim, os.environ)[0].root, before=time.time() - OLD)


def claimed(order: Mapping[str, Any], orders: Orders, answers: int) -> dict[str, Any]:
    """Carries an order out if nobody else has claimed its attempt, and keeps how it ended."""
    if order.get("claim") is None:
        return carry_out(order, orders, answers, cancelled=lambda: False)
    claims, name = claim_from(order["claim"], os.environ)
    try:
        if not claims.take(name, Identity.here()):
            return _answer("lost", message="it was not begun: its claim was taken before")
    except OSError as error:
        return _answer("failed", message=f"it was not begun: its claim cannot be kept ({error})")
    answer = carry_out(order, orders, answers, cancelled=lambda: claims.stop_asked(name))
    with suppress(OSError):  # a full disk: whoever waits is told all the same
        claims.end(name, answer, told=not orders.hung_up)
    return answer


def carry_out(
    order: Mapping[str, Any], orders: Orders, answers: int, *, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Runs one action or command in a child and measures it.

    The order has `action` (module:function) and `arguments`, or `command`; `place`, `timeout`
    (seconds or null) and `hold` (whether the allocation of memory is enforced). It may have
    `environment`, `secrets` (variables, the latter masked wherever they are written), `folder`,
    `inputs`, `outputs`, `refused` (why it cannot be carried out), `claim` (the root, the run and
    the name), `survives` and `guardian` (a process without which it does not survive). The answer
    has the fields of an Observation.
    """
    work = _Work.of(order)
    missing = order.get("refused") or work.missing("inputs", order.get("inputs", ()))
    if missing is not None:
        return _answer("failed", message=work.masker.masked(missing))
    call: Callable[..., object] | None = None
    if not order.get("command"):
        try:
            call = _action(order["action"])
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an import runs the action's code, which may raise or exit
            cause = "".join(traceback.format_exception_only(error)).strip()
            why = f"The action {order['action']!r} cannot be loaded: {cause}"
            return _answer("failed", message=work.masker.masked_end(why, LONGEST_MESSAGE))
    reader, writer = os.pipe()
    streams = [Stream(name, work.masker) for name in ("stdout", "stderr")]
    private = [reader, answers, orders.descriptor, *(each.reader for each in streams)]
    _flush()
    gc.freeze()
    began, parent = time.monotonic(), os.getpid()
    child = os.fork()
    if child == 0:
        _become(parent, private, streams)
        _run_and_leave(call, work, order, writer)
    for each in (writer, *(stream.writer for stream in streams)):
        os.close(each)
    limits = Limits(
        memory=work.place.memory if order["hold"] else None,
        timeout=order["timeout"],
        left=_Left(order.get("survives", False), order.get("guardian")),
        cancelled=cancelled,
    )
    seen = watch(child, limits, began=began, orders=orders, streams=streams)
    _, status, usage = os.wait4(child, 0)
    duration, said = time.monotonic() - began, _read_now(reader)
    for stream in streams:
        stream.close()
    answer = _observed(duration, status, usage, replace(seen, message=seen.message or said))
    return work.finished(answer, order, streams)


@dataclass(frozen=True)
class _Left:
    """Whether an attempt goes on that nobody waits for."""

    survives: bool
    guardian: Mapping[str, Any] | None

    def __call__(self) -> bool:
        return self.survives and (self.guardian is None or Identity.read(self.guardian).lives)


@dataclass(frozen=True)
class _Work:
    """What an order says, made ready: where and with which variables the attempt runs."""

    place: Place
    variables: Mapping[str, str]
    folder: Path
    masker: Masker

    @classmethod
    def of(cls, order: Mapping[str, Any]) -> "_Work":
        place, secrets = Place(**order["place"]), order.get("secrets", {})
        threads = dict.fromkeys(THREADS, str(place.threads))
        told = {
            "ALLOT_WORKER": place.worker,
            "ALLOT_CORES": f"{place.cores:g}",
            "ALLOT_MEMORY_BYTES": str(place.memory),
        }
        if (claim := order.get("claim")) is not None:
            told |= marks(claim["run"], Name(**claim["name"]))
        own = order.get("environment", {})
        variables = {**os.environ, **threads, **own, **secrets, **told}
        return cls(place, variables, Path(order.get("folder") or "."), Masker(secrets.values()))

    def missing(self, sort: str, paths: list[str]) -> str | None:
        """The first of these files that is not there, in words."""
        if not self.folder.is_dir():
            return f"its folder {str(self.folder)!r} is not there"
        gone = [each for each in paths if not (self.folder / each).exists()]
        if not gone:
            return None
        more = f", and {len(gone) - 1} more of its {sort}" if len(gone) > 1 else ""
        return f"its {sort[:-1]} {gone[0]!r} is not there{more}"

    def finished(
        self, answer: dict[str, Any], order: Mapping[str, Any], streams: list[Stream]
    ) -> dict[str, Any]:
        """The answer with what was written, and the last word on whether the attempt did well."""
        if answer["outcome"] == "succeeded":
            gone = self.missing("outputs", order.get("outputs", ()))
            if gone is not None:
                answer |= {"outcome": "failed", "message": f"it ended well, but {gone}"}
        kept = {stream.name: stream.kept.told() for stream in streams if stream.kept.total}
        if answer["outcome"] == "failed" and not answer["message"]:
            words = kept.get("stderr", ("", 0))[0].strip()[-LONGEST_LAST_WORDS:]
            answer["message"] = f"ended {_code(answer['exit_code'])}{': ' if words else ''}{words}"
        outputs = [
            {"stream": name, "text": text, "left_out": left_out}
            for name, (text, left_out) in kept.items()
        ]
        message = self.masker.masked_end(answer["message"], LONGEST_MESSAGE)
        return answer | {"message": message, "outputs": outputs}


def _action(name: str) -> Callable[..., object]:
    module, _, function = name.partition(":")
    if not module or not function:
        raise ValueError("an action is written module:function")
    call: Callable[..., object] = getattr(importlib.import_module(module), function)
    return call


def _become(parent: int, private: list[int], streams: list[Stream]) -> None:
    """In the child: gives up what belongs to its parent, and leads a group of its own."""
    die_with_parent(parent)
    os.setsid()
    for target, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream.writer, target)
        os.close(stream.writer)
    for each in private:
        os.close(each)


def _run_and_leave(
    call: Callable[..., object] | None, work: _Work, order: Mapping[str, Any], writer: int
) -> NoReturn:
    """In the child: never returns, and says on the pipe what went wrong, if anything did."""
    code = 1
    try:
        os.chdir(work.folder)
        if call is None:
            _execute(order["command"], work.variables)
        os.environ.clear()
        os.environ.update(work.variables)
        call(work.place, **order["arguments"])
        code = 0
    except MemoryError:
        code = 137
    except SystemExit as left:
        code = _exit_code(left, writer)
    except _NotStarted as error:
        code = NOT_STARTED
        _say(writer, str(error))
    except BaseException:  # whatever an action raises ends its own process only, and is reported
        _say(writer, traceback.format_exc(limit=-5))
    finally:
        _flush()
        os._exit(code)


class _NotStarted(Exception):
    """The command's program cannot be started."""


def _execute(command: list[str], variables: Mapping[str, str]) -> NoReturn:
    """Becomes the program, found by the PATH of the attempt; no shell comes between."""
    for each in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, programs expect them
        signal.signal(each, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, dict(variables))
    except OSError as error:
        why = f"the program {command[0]!r} cannot be started: {error.strerror}"
        raise _NotStarted(why) from None


def _flush() -> None:
    for each in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed by the action
            each.flush()


def _exit_code(left: SystemExit, writer: int) -> int:
    """As the interpreter reads it: nothing is success, words are said and a failure."""
    if left.code is None:
        return 0
    if isinstance(left.code, int):
        return left.code & 0xFF
    _say(writer, str(left.code))
    return 1


def _say(writer: int, words: str) -> None:
    """As much as the pipe takes at once; what is too long to be told is cut after masking."""
    os.write(writer, words.encode("utf-8", "backslashreplace")[-MOST_SAID:])


def _read_now(reader: int) -> str:
    """What is in the pipe: a process left behind may hold its other end for as long as it likes."""
    os.set_blocking(reader, False)
    try:
        return os.read(reader, 65536).decode("utf-8", "replace")
    except BlockingIOError:
        return ""
    finally:
        os.close(reader)


def _observed(
    duration: float, status: int, usage: resource.struct_rusage, seen: Watched
) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    by_code = {0: "succeeded", 137: "out_of_memory"}.get(code, "failed")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return _answer(
        seen.ended_as or by_code,
        message=seen.message,
        duration=duration,
        exit_code=code,
        peak_memory=float(max(usage.ru_maxrss * _BYTES_PER_MAXRSS, seen.peak_memory)),
        cpu=cpu_seconds / duration,
        measured={
            "cpu_seconds": cpu_seconds,
            "page_faults": float(usage.ru_minflt),
            "context_switches": float(usage.ru_nivcsw),
        },
    )


def _code(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    known = {each.value: each.name for each in signal.Signals}
    return f"by {known.get(-code, f'signal {-code}')}"


def _answer(outcome: str, *, message: str, **values: Any) -> dict[str, Any]:
    return {"outcome": outcome, "message": _clean(message), **values}


def _clean(words: str) -> str:
    """Words that every store can keep: no lone surrogates, no zero characters."""
    return words.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


if __name__ == "__main__":
    if APART in sys.argv[1:] and os.fork():
        os._exit(0)
    serve(*private_channels())
