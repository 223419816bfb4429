"""Plans that people keep to compare, and refused lines that they mend."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ingest", sa.Column("run", sa.String(), nullable=False, server_default=""))
    op.add_column("ingest", sa.Column("header", sa.String(), nullable=False, server_default=""))
    op.add_column(
        "quarantine", sa.Column("state", sa.String(), nullable=False, server_default="open")
    )
    op.create_index(op.f("ix_quarantine_state"), "quarantine", ["state"], unique=False)
    op.create_table(
        "draft",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("change", sa.JSON(), nullable=False),
        sa.Column("planner", sa.String(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_draft_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft")),
    )
    op.create_index(op.f("ix_draft_run_id"), "draft", ["run_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_draft_run_id"), table_name="draft")
    op.drop_table("draft")
    op.drop_index(op.f("ix_quarantine_state"), table_name="quarantine")
    op.drop_column("quarantine", "state")
    op.drop_column("ingest", "header")
    op.drop_column("ingest", "run")
