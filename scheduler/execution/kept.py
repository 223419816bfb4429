"""What an attempt writes, kept in bounded memory: how it begins, how it ends, what was left out."""

import os
from contextlib import suppress
from dataclasses import dataclass, field

from scheduler.masking import Masker

MOST_KEPT = 64 * 1024  # bytes of the beginning, and as many of the end
_AT_ONCE = 1 << 20


@dataclass
class Kept:
    """One stream: the first bytes and the last.

    A little more is held of both than is told, so that no secret is cut in two at their borders.
    """

    masker: Masker
    most: int = MOST_KEPT
    total: int = 0
    _head: bytearray = field(default_factory=bytearray, init=False)
    _tail: bytearray = field(default_factory=bytearray, init=False)

    def add(self, data: bytes) -> None:
        """Takes in what comes next."""
        self.total += len(data)
        held = self.most + self.masker.longest
        space = held - len(self._head)
        if space > 0:
            self._head += data[:space]
            data = data[space:]
        self._tail += data[-held:]
        if len(self._tail) > 4 * held:  # now and then, not with every byte
            del self._tail[:-held]

    def told(self) -> tuple[str, int]:
        """The text, masked, with a mark where bytes are left out; and how many those are."""
        if self.total <= 2 * self.most:
            data = bytes(self._head + self._tail)
            return _text(self.masker.cover(data, 0, len(data))), 0
        both = self._head + self._tail
        whole = len(both) == self.total
        ahead = bytes(both) if whole else bytes(self._head)
        behind = bytes(both) if whole else bytes(self._tail)
        first = _at_letter(ahead, self.most)
        last = _at_letter(behind, len(behind) - self.most)
        left_out = self.total - first - (len(behind) - last)
        beginning = _text(self.masker.cover(ahead, 0, first))
        end = _text(self.masker.cover(behind, last, len(behind)))
        return f"{beginning}\n[{left_out} bytes are left out here]\n{end}", left_out


class Stream:
    """A pipe that an attempt writes into."""

    def __init__(self, name: str, masker: Masker) -> None:
        self.name, self.kept = name, Kept(masker)
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.open = True

    def drain(self) -> bool:
        """Takes what is there now, a bounded amount; whether there may be more."""
        try:
            data = os.read(self.reader, _AT_ONCE)
        except BlockingIOError:
            return False
        self.kept.add(data)
        self.open = bool(data)
        return self.open

    def close(self) -> None:
        """Takes the rest: a process left behind may hold the other end for as long as it likes."""
        for _ in range(64):
            if not self.drain():
                break
        with suppress(OSError):
            os.close(self.reader)


def _at_letter(data: bytes, place: int) -> int:
    """The place, or that before it where a letter of several bytes begins."""
    for before in range(place, max(place - 4, 0), -1):
        if data[before] & 0xC0 != 0x80:
            return before
    return place


def _text(data: bytes) -> str:
    """A text that every store can keep."""
    return data.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
