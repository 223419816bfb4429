"""Run by Alembic for every command, on the connection that the caller holds."""

from typing import Any, Literal

from alembic import context
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from scheduler.store.tables import UtcTime


def plain_types(kind: str, item: Any, _: object) -> str | Literal[False]:
    """Writes our column types as SQLAlchemy's own, so that a migration never changes with us."""
    if kind == "type" and isinstance(item, UtcTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite cannot alter a table in place
    compare_type=True,
    render_item=plain_types,
)
with context.begin_transaction():
    context.run_migrations()
