"""The one place where a connection is made, for SQLite and PostgreSQL alike."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError
from sqlalchemy.exc import OperationalError as Trouble
from sqlalchemy.exc import TimeoutError as NoneFree

from scheduler.errors import StoreAway, StoreError

_WRITES = "allot_writes"
_PASSES = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
    )
)
# A network that swallows what is sent is found out within these seconds, not within hours.
_LINE = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def connect(url: str) -> Engine:
    """An engine for the store at `url` (`sqlite:///file`, `postgresql://...`).

    SQLite runs in WAL mode with every commit on disk, waits ten seconds for a lock, and takes the
    write lock when a writing transaction begins, so that a transaction that read first never fails
    on upgrading its lock. Raises StoreError for a URL that cannot be used.
    """
    parsed = _parsed(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername.partition("+")[0] not in ("sqlite", "postgresql"):
        raise StoreError(f"The store must be SQLite or PostgreSQL, found {parsed.drivername!r}.")
    if (file := sqlite_file(url)) is not None:  # other processes may stand in other folders
        parsed = parsed.set(database=str(file.absolute()))
    try:
        engine = sa.create_engine(parsed, connect_args=_line(parsed))
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreError(
            f"PostgreSQL needs a driver ({error}); install it with: pip install 'allot[postgres]'"
        ) from error
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine)
        if file is not None:
            _make_once(engine, file.absolute())
    else:
        _keep_the_clock_running(engine)
    return engine


def shown(url: str) -> str:
    """A database URL as people may see it: without its password."""
    return _masked(_parsed(url))


def sqlite_file(url: str) -> Path | None:
    """The file behind a SQLite URL; None for memory and for other databases."""
    parsed = _parsed(url)
    if parsed.drivername.partition("+")[0] != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the store and changes nothing."""
    with _told(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that holds the write lock and commits at the end, or changes nothing."""
    with _told(engine), engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


def _masked(url: URL) -> str:
    if "password" in url.query:
        url = url.update_query_dict({"password": "***"})
    return url.render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise StoreError(
            f"The store's address must be a database URL such as sqlite:///allot.db, found {url!r}."
        ) from None


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, NoneFree, sqlite3.Error) as error:  # SQLite's own while it connects
        where = _masked(engine.url)
        why = error.orig if isinstance(error, DBAPIError) else error
        sort = StoreAway if _passes(error, why) else StoreError
        raise sort(f"The store at {where} cannot be used: {why}") from error


def _passes(error: Exception, why: object) -> bool:
    """Whether it may be over in a while: a lock, a full disk, a lost or refused connection."""
    if isinstance(why, sqlite3.Error):
        return getattr(why, "sqlite_errorcode", 0) & 0xFF in _PASSES
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, Trouble | InterfaceError | NoneFree)


def _line(url: URL) -> dict[str, int]:
    """How long a connection may be silent, where the URL does not say so itself."""
    if not url.drivername.startswith("postgresql"):
        return {}
    return {name: value for name, value in _LINE.items() if name not in url.query}


def _keep_the_clock_running(engine: Engine) -> None:
    """Lets the server's bound on silent transactions hold after many rows were written too.

    Their pipeline ends with a message that stops the server's clock of idle transactions; the
    next statement starts it again.
    """

    @sa.event.listens_for(engine, "after_cursor_execute")
    def after(
        _connection: Any, cursor: Any, _statement: Any, _rows: Any, _context: Any, many: bool
    ) -> None:
        if many:
            cursor.connection.execute("SELECT 1")


def _tune_sqlite(engine: Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, not inside the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=10000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_once(engine: Engine, file: Path) -> None:
    """Lets the first connection make the file, and no later one.

    Where the file is moved away while it is in use, an empty one must not take its place.
    """
    made = False

    @sa.event.listens_for(engine, "do_connect")
    def before(_dialect: Any, _record: Any, where: list[Any], how: dict[str, Any]) -> None:
        if made:
            where[:] = [f"{file.as_uri()}?mode=rw"]
            how["uri"] = True

    @sa.event.listens_for(engine, "connect")
    def after(_connection: Any, _record: Any) -> None:
        nonlocal made
        made = True
