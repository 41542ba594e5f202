"""Versions of the values that every process keeps in memory."""

import sqlalchemy as sa
from alembic import op

revision = "0015_live_versions"
down_revision = "0014_canceled_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_versions",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_live_versions")),
    )


def downgrade() -> None:
    op.drop_table("live_versions")
