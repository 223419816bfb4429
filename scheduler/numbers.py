"""Rules at the borders: what a constructor refuses, said the same way everywhere."""

import math
from collections.abc import Callable

Refusal = Callable[[str], Exception]


LARGEST, SMALLEST = 1e18, 1e-9  # no real count, size or time lies outside
LONGEST_SHOWN = 256  # bits of a whole number that a message writes out
LONGEST_NAME = 900  # a run's name adds a number to its workflow's, and must still be storable


def storable(text: str, name: str, refuse: Refusal) -> None:
    """Refuses what not every store can keep: blank, overlong, with NUL or lone surrogates."""
    if not isinstance(text, str) or not text.strip():
        raise refuse(f"{name} must be a text that is not blank, found {text!r}.")
    if len(text) > LONGEST_NAME:
        raise refuse(f"{name} must have at most {LONGEST_NAME} characters, found {len(text)}.")
    if "\x00" in text or (
        not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
    ):
        raise refuse(f"{name} must be text without NUL and lone surrogates, found {text!r}.")


def printable(text: str, name: str, refuse: Refusal, *, most: int = 200) -> None:
    """Refuses what cannot be the name of a size: blank, with control characters, or overlong."""
    if not text or text != text.strip() or not text.isprintable() or len(text) > most:
        raise refuse(f"{name} must be printable and have 1 to {most} characters, found {text!r}.")


def finite(value: float, name: str, refuse: Refusal) -> None:
    """Refuses NaN, infinities, what is not a number, and what no real amount can be."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refuse(f"{name} must be a finite number, found {value!r}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse(f"{name} must be a finite number, found {value!r}.")
    if abs(value) > LARGEST:
        raise refuse(f"{name} must be at most {LARGEST:g}, found {_short(value)}.")


def not_negative(value: float, name: str, refuse: Refusal) -> None:
    """Refuses what is not finite, and what is below zero."""
    finite(value, name, refuse)
    if value < 0:
        raise refuse(f"{name} must not be negative, found {value!r}.")


def positive(value: float, name: str, refuse: Refusal) -> None:
    """Refuses what is not finite, and what is not above zero."""
    finite(value, name, refuse)
    if value <= 0:
        raise refuse(f"{name} must be above zero, found {value!r}.")
    if value < SMALLEST:
        raise refuse(f"{name} must be at least {SMALLEST:g}, found {value!r}.")


def at_least_one(value: int, name: str, refuse: Refusal) -> None:
    """Refuses what is not a whole number of one or more."""
    finite(value, name, refuse)
    if value != int(value) or value < 1:
        raise refuse(f"{name} must be a whole number of at least 1, found {value!r}.")


def counted(number: int, noun: str) -> str:
    """So many of a thing, in words: 1 task, 2 tasks."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(value: float) -> str:
    """A number as it is written; of a whole one too long to read, or even to write, its size."""
    if isinstance(value, int) and value.bit_length() > LONGEST_SHOWN:
        return f"a whole number of {value.bit_length()} bits"
    return repr(value)
