"""How functions are compiled: the one door to numba."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles at the first call, without the interpreter's lock, kept on disk where one can write.

    Where neither the package's folder nor the user's cache can be written, every process compiles
    anew, which takes seconds and changes nothing else. What is kept is renewed when the function's
    own file changes, not when that of a function it calls does.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # what numba raises when it finds no folder for its cache
        return cast(Function, njit(nogil=True)(function))
