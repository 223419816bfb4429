"""Opening a store: new ones, old ones, newer ones, and what is no store at all."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from scheduler.errors import StoreError
from scheduler.planning.planners.fifo import Fifo
from scheduler.store import Store, migrations
from scheduler.store.engine import connect, reading, writing
from tests.dashboard.filler import START, a_problem, begin


def set_revision(url: str, revision: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :found"), {"found": revision}
        )
    engine.dispose()


def test_head_is_the_newest_revision_of_the_scripts() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_current_head() == migrations.HEAD


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store, store_url: str) -> None:
    engine = connect(store_url)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_a_store_opened_again_holds_what_it_held(store_url: str) -> None:
    from datetime import UTC, datetime

    for expected in (0, 1):
        with Store.open(store_url) as opened:
            assert len(opened.requests()) == expected
            opened.ask("retrain", {}, by="me", at=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_store_of_a_newer_release_is_refused_and_left_alone(store_url: str) -> None:
    Store.open(store_url).close()
    set_revision(store_url, "9999")
    with pytest.raises(StoreError, match=r"newer release \(revision 9999"):
        Store.open(store_url)
    engine = connect(store_url)
    assert migrations.revision(engine) == "9999"
    engine.dispose()


def test_runs_of_an_older_store_are_for_those_who_left_them_to_the_agent(store_url: str) -> None:
    problem = a_problem(np.random.default_rng(1), 4)
    with Store.open(store_url) as opened:
        for label in ("by hand", "asked for"):
            begin(opened, problem, Fifo().plan(problem), label=label, at=START)
        number = opened.ask("run", {}, by="ann", at=START)
        opened.answer(number, state="done", answer="run 2", at=START)
    engine = connect(store_url)
    with writing(engine) as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    with pytest.raises(StoreError, match="allot store upgrade"):
        Store.open(store_url)
    migrations.upgrade(engine)
    engine.dispose()
    with Store.open(store_url) as opened:
        assert opened.owners_of([1, 2]) == {2: "ann"}
        assert opened.run_owners() == ("ann",)


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE customers (id INTEGER)")
    with pytest.raises(StoreError, match="'customers'"):
        Store.open(f"sqlite:///{file}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "must be a database URL"),
        ("mysql://localhost/x", "must be SQLite or PostgreSQL"),
    ],
)
def test_an_address_that_is_no_store_is_refused_by_name(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        Store.open(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("this is not a database, but long enough to look at " * 40)
    with pytest.raises(StoreError, match="not a database"):
        Store.open(f"sqlite:///{file}")


def test_an_unreachable_postgresql_is_said_to_be_so() -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open("postgresql://nobody:secret@127.0.0.1:1/none")


@pytest.mark.parametrize("url", [
    "postgresql://nobody:secret@127.0.0.1:1/none",
    "postgresql://127.0.0.1:1/none?user=nobody&password=secret",
])  # fmt: skip
def test_a_password_is_never_told(url: str) -> None:
    with pytest.raises(StoreError) as told:
        Store.open(url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
def test_every_sqlite_connection_is_durable_and_checked(
    tmp_path: Path, pragma: str, value: object
) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'a.db'}")
    with reading(engine) as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    engine.dispose()


def test_the_url_of_a_store_names_it_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///here.db") as opened:
        url = opened.url
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Store.open(url).close()
    assert list((tmp_path / "elsewhere").iterdir()) == []
