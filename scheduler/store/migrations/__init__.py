"""The history of the schema, and how a database is brought to the newest state."""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from scheduler.errors import StoreError
from scheduler.store.engine import reading, shown, writing

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0004"  # the newest revision below; a test holds it against the scripts


def revision(engine: Engine) -> str | None:
    """The revision of a database; None when it holds no schema of ours."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def prepare(engine: Engine) -> None:
    """Makes the schema in an empty database; leaves an up-to-date one alone.

    Raises StoreError for a database of an older or a newer release; nothing is changed then.
    """
    found = revision(engine)
    if found == HEAD:
        return
    where = shown(engine.url.render_as_string(hide_password=False))
    if found is None:
        _refuse_foreign(engine, where)
        upgrade(engine)
    elif found in known_revisions():
        raise StoreError(
            f"The store at {where} is of an older release (revision {found}, needed {HEAD}); "
            "back it up and run: allot store upgrade"
        )
    else:
        raise StoreError(
            f"The store at {where} was written by a newer release (revision {found}, this one "
            f"knows up to {HEAD}); install that release. Nothing was changed."
        )


def upgrade(engine: Engine) -> None:
    """Brings a database to the newest revision, in one transaction."""
    from alembic import command  # a slow import that only this needs

    with writing(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def known_revisions() -> tuple[str, ...]:
    """Every revision this release knows, newest first."""
    from alembic.script import ScriptDirectory

    return tuple(each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _refuse_foreign(engine: Engine, where: str) -> None:
    with reading(engine) as connection:
        tables = sa.inspect(connection).get_table_names()
    if "alembic_version" in tables:
        raise StoreError(
            f"The store at {where} does not say which revision it is of (its table alembic_version "
            "is empty); restore a backup. Nothing was changed."
        )
    if tables:
        raise StoreError(
            f"The database at {where} is not a store of Allot: it already has the table "
            f"{tables[0]!r}. Name an empty database, or a file that does not exist yet."
        )
