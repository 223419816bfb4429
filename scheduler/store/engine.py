"""The one place where a connection is made, for SQLite and PostgreSQL alike."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from scheduler.errors import StoreError

_WRITES = "allot_writes"


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
        engine = sa.create_engine(parsed)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreError(
            f"PostgreSQL needs a driver ({error}); install it with: pip install 'allot[postgres]'"
        ) from error
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine)
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
    except (DBAPIError, sqlite3.Error) as error:  # SQLite's own where a connection is being made
        where = _masked(engine.url)
        why = error.orig if isinstance(error, DBAPIError) else error
        raise StoreError(f"The store at {where} cannot be used: {why}") from error


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
