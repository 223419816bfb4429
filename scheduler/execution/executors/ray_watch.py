"""Which nodes of a Ray cluster answer: asked directly, and often enough to know within 15 seconds.

Ray itself gives a node up after 15 seconds where its process is gone, and after more than a minute
where it is frozen or cut off. What it asks by is set where the cluster is started, not by us.
"""

import errno
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Self

Address = tuple[str, int]

SECONDS = 1.5  # that a node has to answer
PAUSE = 1.0  # seconds between two rounds
MISSES = 4  # rounds in a row without an answer, after which a node is gone
AT_ONCE = 256  # sockets
# how HTTP/2 begins: every gRPC server answers to it, before it asks who is there
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


class Hearing:
    """What rounds of knocking tell.

    A node that has never answered is not judged: it may be out of our reach, and Ray's all the
    same. Rounds are counted, not seconds: a watch that was frozen itself has missed one at most.
    """

    def __init__(self, misses: int = MISSES) -> None:
        self._misses, self._missed = misses, Counter[str]()

    def took(self, asked: frozenset[str], answered: frozenset[str]) -> None:
        """Takes in one round."""
        for node in answered:
            self._missed[node] = 0
        for node in asked - answered:
            if node in self._missed:
                self._missed[node] += 1

    @property
    def gone(self) -> frozenset[str]:
        """The nodes that have stopped to answer."""
        return frozenset(each for each, count in self._missed.items() if count >= self._misses)


class Watch:
    """Knocks at nodes, in a thread of its own, for the length of a block."""

    def __init__(self) -> None:
        self._addresses: Mapping[str, Address] = {}
        self._hearing, self._over = Hearing(), threading.Event()
        self._gone: frozenset[str] = frozenset()
        self._thread = threading.Thread(target=self._rounds, name="ray nodes", daemon=True)

    def follow(self, addresses: Mapping[str, Address]) -> None:
        """Knocks at these nodes from now on, by the ids of the nodes."""
        self._addresses = dict(addresses)

    @property
    def gone(self) -> frozenset[str]:
        """The nodes that have stopped to answer, and have not begun again."""
        return self._gone

    def _rounds(self) -> None:
        while not self._over.wait(PAUSE):
            asked = self._addresses
            with suppress(OSError):  # no socket is left for us: a round that says nothing
                self._hearing.took(frozenset(asked), answering(asked, SECONDS))
            self._gone = self._hearing.gone

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def answering(addresses: Mapping[str, Address], seconds: float) -> frozenset[str]:
    """The nodes at whose address a program answers within this time."""
    nodes, found = list(addresses), set[str]()
    for first in range(0, len(nodes), AT_ONCE):
        some = {each: addresses[each] for each in nodes[first : first + AT_ONCE]}
        found |= _answering(some, seconds)
    return frozenset(found)


def _answering(addresses: Mapping[str, Address], seconds: float) -> set[str]:
    until, found = time.monotonic() + seconds, set[str]()
    with ExitStack() as stack:
        poll, waiting = select.poll(), dict[int, tuple[str, socket.socket]]()
        for node, address in addresses.items():
            knocking = _knocking(address)
            if knocking is not None:
                stack.enter_context(knocking)
                poll.register(knocking, select.POLLOUT)
                waiting[knocking.fileno()] = node, knocking
        while waiting:
            ready = poll.poll(max(0.0, until - time.monotonic()) * 1000)
            for descriptor, event in ready:
                node, knocking = waiting[descriptor]
                if event == select.POLLOUT and _said_hello(knocking):
                    poll.modify(knocking, select.POLLIN)
                    continue
                poll.unregister(knocking)
                del waiting[descriptor]
                if _heard(knocking):
                    found.add(node)
            if not ready:  # also a watch that was frozen looks once more at what has come
                break
    return found


def _knocking(address: Address) -> socket.socket | None:
    """A socket that is about to be connected; None where there is no way to that address."""
    host, port = address
    knocking = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    knocking.setblocking(False)
    try:
        code = knocking.connect_ex((host, port))
    except (OSError, OverflowError):  # no address at all
        code = errno.EADDRNOTAVAIL
    if code in (0, errno.EINPROGRESS):
        return knocking
    knocking.close()
    return None


def _said_hello(knocking: socket.socket) -> bool:
    with suppress(OSError):
        return knocking.send(_HELLO) == len(_HELLO)
    return False


def _heard(knocking: socket.socket) -> bool:
    """Whether somebody answers, or hangs up in order: a frozen program does neither."""
    try:
        knocking.recv(64)
    except OSError:
        return False
    return True
