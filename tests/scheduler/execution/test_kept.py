"""Output in bounded memory: its beginning, its end, and no secret at the borders."""

import re

from hypothesis import given
from hypothesis import strategies as st

from scheduler.execution.kept import Kept
from scheduler.masking import MASK, Masker

MARK = re.compile(r"\n\[(\d+) bytes are left out here\]\n")


def kept(data: bytes, *, most: int, secrets: tuple[str, ...] = (), piece: int = 7) -> Kept:
    found = Kept(Masker(secrets), most)
    for start in range(0, len(data), piece):
        found.add(data[start : start + piece])
    return found


@given(st.binary(max_size=200), st.integers(1, 60), st.integers(1, 300))
def test_what_fits_is_told_whole(data: bytes, most: int, piece: int) -> None:
    text, left_out = kept(data, most=max(most, len(data)), piece=piece).told()
    assert left_out == 0
    assert text == data.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


@given(st.integers(1, 50), st.integers(0, 60_000), st.integers(1, 5000))
def test_of_what_does_not_fit_the_beginning_and_the_end_are_told(
    most: int, size: int, piece: int
) -> None:
    data = b"".join(b"%d\n" % i for i in range(size // 5))
    text, left_out = kept(data, most=most, piece=piece).told()
    if len(data) <= 2 * most:
        assert text.encode() == data
        return
    head, tail = MARK.split(text)[::2]
    assert (head.encode(), tail.encode()) == (data[:most], data[-most:])
    assert left_out == len(data) - 2 * most


@given(st.integers(0, 40_000), st.integers(0, 40_000), st.sampled_from([1, 13, 4096]))
def test_no_part_of_a_secret_is_told_wherever_it_stands(
    before: int, after: int, piece: int
) -> None:
    secret = "0123456789abcdef"
    data = b"x" * before + secret.encode() + b"y" * after
    text, _ = kept(data, most=100, secrets=(secret,), piece=piece).told()
    left = MARK.sub("", text).replace(MASK, "")
    assert set(left) <= {"x", "y"}


@given(st.integers(60, 140), st.integers(60, 140))
def test_no_letter_is_cut_in_two(before: int, after: int) -> None:
    data = ("a" * before + "🜁" * 40 + "b" * after).encode()
    text, _ = kept(data, most=100).told()
    assert set(MARK.sub("", text)) <= {"a", "b", "🜁"}


def test_memory_is_bounded() -> None:
    found = Kept(Masker(), 1000)
    for _ in range(1000):
        found.add(b"z" * 65536)
    held = len(found._head) + len(found._tail)  # noqa: SLF001  what is tested
    assert found.total == 65_536_000
    assert held < 100_000
