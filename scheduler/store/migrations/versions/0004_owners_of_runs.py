"""For whom runs are done; of those that were left to the agent it is known from what was asked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ASKED = sa.text(
    """
    UPDATE run SET owner = told.owner FROM (
        SELECT answer, max("by") AS owner FROM request
        WHERE kind = 'run' AND state = 'done' GROUP BY answer
    ) AS told WHERE told.answer = 'run ' || CAST(run.id AS VARCHAR)
    """
)


def upgrade() -> None:
    op.add_column("run", sa.Column("owner", sa.String(), nullable=False, server_default=""))
    op.create_index(op.f("ix_run_owner"), "run", ["owner"], unique=False)
    op.execute(ASKED)


def downgrade() -> None:
    op.drop_index(op.f("ix_run_owner"), table_name="run")
    op.drop_column("run", "owner")
