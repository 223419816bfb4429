"""What a task says about its real work: a command, where it runs, what it reads and writes."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from scheduler.masking import holds_secret, tells_secret

Refusal = Callable[[str], Exception]
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}", re.ASCII)
_OPTION = re.compile(r"--?([A-Za-z][\w-]*)=(.+)", re.DOTALL)
OWN = "ALLOT_"  # variables that Allot itself gives to an attempt
_ELSEWHERE = (
    "documents are kept as they are: set a variable where Allot runs and name it in `secrets`"
)


def check_command(command: object, refuse: Refusal) -> tuple[str, ...]:
    """The command as a tuple; refuses one text, no program, and what no program can be given."""
    if isinstance(command, str) or not isinstance(command, Iterable):
        raise refuse(
            "command must be a list of texts, the program and each of its arguments; no shell "
            f"reads it. Found {command!r}."
        )
    found = tuple(command)
    for place, each in enumerate(found):
        passable(each, f"command[{place}]", refuse)
    if found and not found[0].strip():
        raise refuse(f"command must name a program first, found {found[0]!r}.")
    for place, each in enumerate(found[1:], start=1):
        option = _OPTION.fullmatch(each)
        if tells_secret(each) or (option is not None and holds_secret(*option.groups())):
            raise refuse(f"command[{place}] must not hold a secret; {_ELSEWHERE}.")
    return found


def check_environment(environment: Mapping[str, str], refuse: Refusal) -> None:
    """Refuses what is no variable, one of Allot's own, and secrets."""
    for name, value in environment.items():
        variable(name, "environment", refuse)
        passable(value, f"environment[{name!r}]", refuse)
        if holds_secret(name, value):
            raise refuse(f"environment[{name!r}] must not hold a secret; {_ELSEWHERE}.")


def check_arguments(arguments: Mapping[str, Any], refuse: Refusal) -> None:
    """Refuses secrets, however deep they lie."""
    for place, name, text in _texts(arguments, "arguments", ""):
        if holds_secret(name, text):
            raise refuse(f"{place} must not hold a secret; {_ELSEWHERE}.")


def variable(name: object, field: str, refuse: Refusal) -> None:
    """Refuses what no environment variable of a task can be called."""
    if not isinstance(name, str) or _VARIABLE.fullmatch(name) is None:
        raise refuse(f"{field} must name variables of letters, digits and _, found {name!r}.")
    if name.startswith(OWN):
        raise refuse(f"{field} must not name {name!r}: {OWN}... are set by Allot itself.")


def passable(text: object, field: str, refuse: Refusal) -> None:
    """Refuses what no program can be given: no text, NUL, lone surrogates."""
    if not isinstance(text, str):
        raise refuse(f"{field} must be a text, found {text!r}.")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise refuse(f"{field} must be text without NUL and lone surrogates, found {text!r}.")


def check_path(path: object, field: str, refuse: Refusal) -> None:
    """Refuses what can be no path."""
    passable(path, field, refuse)
    if not str(path).strip():
        raise refuse(f"{field} must be a path, found {path!r}.")


def _texts(value: Any, place: str, name: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield place, name, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(each, f"{place}[{key!r}]", str(key))
    elif isinstance(value, (list, tuple)):
        for key, each in enumerate(value):
            yield from _texts(each, f"{place}[{key}]", name)
