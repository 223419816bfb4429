"""How functions are compiled: the one door to numba."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

WITHOUT_NAN = {"nnan", "nsz"}  # least and largest in any order: the values stay the same


def compiled(function: Function) -> Function:
    """Compiles at the first call, without the interpreter's lock, kept on disk where one can write.

    Where neither the package's folder nor the user's cache can be written, every process compiles
    anew, which takes seconds and changes nothing else. What is kept is renewed when the function's
    own file changes, not when that of a function it calls does.
    """
    return _compiled(function)


def compiled_without_nan(function: Function) -> Function:
    """Like `compiled`, for functions that never meet a NaN: several numbers are compared at once.

    The result is the same to the last digit on every machine; sums keep their order.
    """
    return _compiled(function, fastmath=WITHOUT_NAN)


def _compiled(function: Function, **options: Any) -> Function:
    try:
        return cast(Function, njit(cache=True, nogil=True, **options)(function))
    except RuntimeError:  # what numba raises when it finds no folder for its cache
        return cast(Function, njit(nogil=True, **options)(function))
