"""Nodes of a Ray cluster that are gone or frozen: found by asking them, not by waiting for Ray."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scheduler.cluster import Cluster, Worker
from scheduler.execution.executors.ray_housing import Housing
from scheduler.execution.executors.ray_nodes import Node
from scheduler.execution.executors.ray_watch import MISSES, Hearing, Watch, answering

SERVER = (
    "import socket; s = socket.create_server(('127.0.0.1', 0)); "
    "print(s.getsockname()[1], flush=True)\n"
    "while True:\n    c = s.accept()[0]; c.recv(9); c.sendall(b'here'); c.close()"
)
TWO = Cluster("two", [Worker(name=name, cores=2, memory=10**9) for name in ("a", "b")])


@contextmanager
def answerer() -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """A program that answers whoever speaks to it, and its address."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            yield program, ("127.0.0.1", int(program.stdout.readline()))
        finally:
            program.kill()


def test_a_program_that_runs_answers_one_that_is_frozen_or_gone_does_not() -> None:
    with answerer() as (program, address), answerer() as (_, other):
        both = {"one": address, "other": other}
        assert answering(both, 20.0) == {"one", "other"}
        program.send_signal(signal.SIGSTOP)
        rounds = [answering(both, 0.5)]
        while rounds[-1] != {"other"} and len(rounds) < 100:  # on a busy machine it may be late
            rounds.append(answering(both, 0.5))
        assert rounds[-1] == {"other"}
        assert set(rounds) <= {frozenset(), frozenset({"other"})}
        program.send_signal(signal.SIGCONT)
        assert answering(both, 20.0) == {"one", "other"}
        program.kill()
        program.wait()
        assert answering(both, 20.0) == {"other"}


def test_an_address_that_is_none_does_not_answer() -> None:
    with socket.socket() as closed:  # nobody else gets its port, and nobody listens there
        closed.bind(("127.0.0.1", 0))
        here = closed.getsockname()
        odd = {"closed": here, "name": ("no host", 1), "port": ("127.0.0.1", 10**6)}
        assert answering(odd, 2.0) == frozenset()
    assert answering({}, 2.0) == frozenset()


def test_a_node_is_gone_after_so_many_rounds_in_a_row_and_back_with_its_next_answer() -> None:
    hearing, both, one = Hearing(misses=3), frozenset("ab"), frozenset("a")
    hearing.took(both, both)
    for _ in range(2):
        hearing.took(both, one)
    assert hearing.gone == frozenset()
    hearing.took(both, both)
    for _ in range(2):
        hearing.took(both, one)
    assert hearing.gone == frozenset()
    hearing.took(both, one)
    assert hearing.gone == {"b"}
    hearing.took(both, both)
    assert hearing.gone == frozenset()


def test_a_node_that_never_answered_is_not_judged() -> None:
    hearing = Hearing()
    for _ in range(2 * MISSES):
        hearing.took(frozenset("ab"), frozenset("a"))
    assert hearing.gone == frozenset()


class Silence(Watch):
    """Hears what it is told to hear."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: frozenset[str] = frozenset()

    @property
    def gone(self) -> frozenset[str]:
        return self.silent


def test_a_worker_is_missing_while_its_node_does_not_answer_and_lives_where_another_offers_it() -> (
    None
):
    nodes = [node("1", "a"), node("2", "b")]
    watch = Silence()
    housing = Housing(TWO, watch, nodes=lambda: nodes)
    assert (housing.home("a"), housing.home("b"), housing.missing) == ("1", "2", frozenset())
    watch.silent = frozenset("2")
    housing.look()
    assert (housing.home("b"), housing.lives("2")) == (None, False)
    assert housing.missing == {"b"}
    nodes.append(node("3", "b"))
    housing.look(at_once=True)
    assert (housing.home("b"), housing.missing) == ("3", frozenset())
    watch.silent = frozenset()
    nodes[:] = [node("1", "a")]
    housing.look(at_once=True)
    assert housing.missing == {"b"}


def test_a_node_that_offers_too_few_cores_does_not_house_the_worker() -> None:
    few: Sequence[Node] = [node("1", "a"), Node("2", ("", 0), {"allot:b": 1.0})]
    assert Housing(TWO, Silence(), nodes=lambda: few).missing == {"b"}


def node(name: str, worker: str) -> Node:
    return Node(name, ("127.0.0.1", 1), {f"allot:{worker}": 2.0, "CPU": 2.0})
