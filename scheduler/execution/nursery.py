"""A small process that forks one child an attempt, so that each is measured and held alone.

`python -m scheduler.execution.nursery` reads one JSON order a line and answers each with one JSON
line. Actions are imported here once; a forked child then starts in milliseconds, its peak memory
and processor time are those the operating system accounts for it, and killing it frees everything.
"""

import gc
import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TextIO

from scheduler.execution.place import Place
from scheduler.execution.watched import Watched, watch

LONGEST_MESSAGE = 4000
_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


def private_channels() -> tuple[TextIO, TextIO]:
    """Orders and answers, moved off descriptors 0 and 1: those belong to the actions from then on.

    What an action prints, at import or later, goes to stderr; one that reads finds an end of file.
    """
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, answers


def serve(orders: TextIO, answers: TextIO) -> None:
    """Carries out orders until the input ends; an attempt that runs then is stopped."""
    for line in orders:
        answer = carry_out(json.loads(line), (orders.fileno(), answers.fileno()))
        if answer["outcome"] == "lost":
            return
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def carry_out(order: dict[str, Any], private: tuple[int, int]) -> dict[str, Any]:
    """Runs one action in a child and measures it.

    The child does not get the `private` descriptors, of orders and answers; it is stopped when
    nobody is left to give orders.

    The order has `action` (module:function), `arguments`, `place`, `timeout` (seconds or null) and
    `hold` (whether the allocation of memory is enforced). The answer has the fields of an
    Observation.
    """
    try:
        call = _action(order["action"])
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import runs the action's code, which may raise or exit
        cause = "".join(traceback.format_exception_only(error)).strip()
        return _answer(
            "failed", message=f"The action {order['action']!r} cannot be loaded: {cause}"
        )
    place = Place(**order["place"])
    reader, writer = os.pipe()
    gc.freeze()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        for each in (reader, *private):
            os.close(each)
        _run_and_leave(call, place, order["arguments"], writer)
    os.close(writer)
    held = place.memory if order["hold"] else None
    seen = watch(child, memory=held, timeout=order["timeout"], began=began, caller=private[0])
    _, status, usage = os.wait4(child, 0)
    duration, said = time.monotonic() - began, _read_now(reader)
    return _observed(duration, status, usage, replace(seen, message=seen.message or said))


def _action(name: str) -> Callable[..., object]:
    module, _, function = name.partition(":")
    if not module or not function:
        raise ValueError("an action is written module:function")
    call: Callable[..., object] = getattr(importlib.import_module(module), function)
    return call


def _run_and_leave(
    call: Callable[..., object], place: Place, arguments: dict[str, Any], writer: int
) -> None:
    """In the child: never returns, and says on the pipe what went wrong, if anything did."""
    code = 1
    try:
        os.setsid()  # leads a group of its own, which ends with it
        os.environ |= {
            "ALLOT_WORKER": place.worker,
            "ALLOT_CORES": f"{place.cores:g}",
            "ALLOT_MEMORY_BYTES": str(place.memory),
        }
        call(place, **arguments)
        code = 0
    except MemoryError:
        code = 137
    except SystemExit as left:
        code = _exit_code(left, writer)
    except BaseException:  # whatever an action raises ends its own process only, and is reported
        _say(writer, traceback.format_exc(limit=-5))
    finally:
        os._exit(code)


def _exit_code(left: SystemExit, writer: int) -> int:
    """As the interpreter reads it: nothing is success, words are said and a failure."""
    if left.code is None:
        return 0
    if isinstance(left.code, int):
        return left.code & 0xFF
    _say(writer, str(left.code))
    return 1


def _say(writer: int, words: str) -> None:
    os.write(writer, words[-LONGEST_MESSAGE:].encode("utf-8", "backslashreplace"))


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


def _answer(outcome: str, *, message: str, **values: Any) -> dict[str, Any]:
    return {"outcome": outcome, "message": _clean(message), **values}


def _clean(words: str) -> str:
    """Words that every store can keep: no lone surrogates, no zero characters."""
    return words.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


if __name__ == "__main__":
    serve(*private_channels())
