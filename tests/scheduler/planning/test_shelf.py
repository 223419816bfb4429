"""A table from the shelf is nobody else's for as long as anybody can see into it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.planning.shelf import MOST, Shelf


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=30))
def test_no_two_tables_that_are_held_share_memory(asked: list[tuple[int, bool]]) -> None:
    shelf, held = Shelf(), []
    for number, (size, kept) in enumerate(asked):
        table = shelf.empty((size, 3))
        table.fill(number)
        if kept:
            held.append((number, table[size // 2 :]))  # a view alone holds it
    assert all((view == number).all() for number, view in held)


def test_memory_is_used_again_once_the_last_view_is_gone() -> None:
    shelf = Shelf()
    table = shelf.empty((50, 4))
    view, place = table[10:, 1], table.ctypes.data
    del table
    assert shelf.empty((50, 4)).ctypes.data != place
    del view
    assert shelf.empty((50, 4)).ctypes.data == place


def test_tables_are_put_together_as_numpy_does() -> None:
    upper, lower = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    shelf = Shelf()
    assert (shelf.beside(upper, lower) == np.column_stack([upper, lower])).all()
    assert (shelf.below(upper, upper) == np.concatenate([upper, upper])).all()


def test_huge_tables_are_not_kept() -> None:
    shelf = Shelf()
    assert shelf.empty((MOST + 1,)).base is None


def test_no_room_is_reserved_for_tables_that_are_never_kept() -> None:
    Shelf().reserve(2**50, 6)  # 8 PiB each
