"""`allot store`, `schema` and `doctor`: keep the store well, and see what is installed."""

import platform
import shutil
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from scheduler.door import Door, Json, StoreUrl
from scheduler.errors import StoreError


def register(app: typer.Typer) -> None:
    """Adds the commands for upkeep."""
    keep = typer.Typer(no_args_is_help=True, help="Upgrade, check and back up the store.")
    for command in (upgrade, check, backup):
        keep.command()(command)
    app.add_typer(keep, name="store")
    app.command()(schema)
    app.command()(doctor)


def upgrade(store: StoreUrl = None, json: Json = False) -> None:
    """Bring a store of an older release to this one's schema."""
    from scheduler.store import migrations
    from scheduler.store.engine import connect

    door = Door.open(json=json, store=store)
    engine = connect(door.settings.store)
    before = migrations.revision(engine)
    if before is None or before not in migrations.known_revisions():
        migrations.prepare(engine)  # makes an empty one, refuses what is not ours
    else:
        migrations.upgrade(engine)
    door.answer(
        {"from": before, "to": migrations.HEAD}, f"The store is at revision {migrations.HEAD}."
    )


def check(store: StoreUrl = None, json: Json = False) -> None:
    """Open the store and count what it holds."""
    door = Door.open(json=json, store=store)
    with door.store() as opened:
        found = {
            "records": opened.record_count(),
            "quarantined": opened.quarantine_count(),
            "runs": len(opened.runs(now=door.now(), limit=10**6)),
            "versions": len(opened.versions()),
        }
    door.answer(found)


def backup(
    target: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    store: StoreUrl = None,
    json: Json = False,
) -> None:
    """Copy a SQLite store and its saved networks, also while it is in use."""
    from scheduler.store.engine import sqlite_file

    door = Door.open(json=json, store=store)
    source = sqlite_file(door.settings.store)
    if source is None:
        raise StoreError("`allot store backup` copies SQLite stores; for PostgreSQL use pg_dump.")
    with door.store() as opened:
        target.mkdir(parents=True)
        with (
            closing(sqlite3.connect(source)) as here,
            closing(sqlite3.connect(target / source.name)) as there,
        ):
            here.backup(there)
        if opened.folder.exists():
            shutil.copytree(opened.folder, target / opened.folder.name)
    door.answer({"backup": str(target)}, f"Copied to {target}.")


def schema(
    name: Annotated[str, typer.Argument(help="workflow, cluster or schedule")],
) -> None:
    """Print the JSON Schema of one of Allot's own documents."""
    from scheduler.documents import json_schema

    Door.open(json=True).answer(json_schema(name))


def doctor(store: StoreUrl = None, json: Json = False) -> None:
    """Show what is installed, and whether the store answers."""
    from scheduler.store.engine import shown

    door = Door.open(json=json, store=store)
    packages = ("torch", "ray", "streamlit", "networkx", "sqlmodel", "numba", "numpy")
    found = {
        "allot": version("allot"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "store": shown(door.settings.store),
    }
    with door.store() as opened:
        found |= {"records": opened.record_count(), "champion": opened.aliases().get("champion")}
    door.answer(found)
