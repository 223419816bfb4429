"""Rules for numbers at the borders: what a constructor refuses, said the same way everywhere."""

import math
from collections.abc import Callable

Refusal = Callable[[str], Exception]


def finite(value: float, name: str, refuse: Refusal) -> None:
    """Refuses NaN, infinities and what is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise refuse(f"{name} must be a finite number, found {value!r}.")


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


def at_least_one(value: int, name: str, refuse: Refusal) -> None:
    """Refuses what is not a whole number of one or more."""
    finite(value, name, refuse)
    if value != int(value) or value < 1:
        raise refuse(f"{name} must be a whole number of at least 1, found {value!r}.")
