"""Rules of feature flags."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_flags"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "flag_rules",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("percentage", sa.Float(), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("users", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("teams", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_declared", sa.Boolean(), nullable=False),
        sa.CheckConstraint("percentage BETWEEN 0 AND 100", name=op.f("ck_flag_rules_percentage")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_flag_rules_starts_before_end")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flag_rules")),
        sa.UniqueConstraint("key", name=op.f("uq_flag_rules_key")),
    )


def downgrade() -> None:
    op.drop_table("flag_rules")
