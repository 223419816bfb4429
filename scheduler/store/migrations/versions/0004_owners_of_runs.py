"""For whom runs are done; of those that were left to the agent it is known from what was asked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ASKED = sa.text(
    """
    SELECT answer, max("by") AS owner FROM request
    WHERE kind = 'run' AND state = 'done' GROUP BY answer
    """
)
OWNED = sa.text("UPDATE run SET owner = :owner WHERE id = :run")


def upgrade() -> None:
    op.add_column("run", sa.Column("owner", sa.String(), nullable=False, server_default=""))
    op.create_index(op.f("ix_run_owner"), "run", ["owner"], unique=False)
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Run by run, by their numbers: SQLite compares all runs with all requests where it joins."""
    told = [(answer.partition("run "), owner) for answer, owner in connection.execute(ASKED)]
    owned = [
        {"run": int(run), "owner": owner}
        for (other, _, run), owner in told
        if not other and run.isdecimal()
    ]
    if owned:
        connection.execute(OWNED, owned)


def downgrade() -> None:
    op.drop_index(op.f("ix_run_owner"), table_name="run")
    op.drop_column("run", "owner")
