"""The waiting list."""

import sqlalchemy as sa
from alembic import op

revision = "0001_waitlist"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waitlist_entries",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invitation_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'invited', 'registered')", name=op.f("ck_waitlist_entries_state")),
        sa.CheckConstraint(
            "state <> 'invited' OR invitation_expires_at IS NOT NULL", name=op.f("ck_waitlist_entries_invitation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_entries")),
        sa.UniqueConstraint("email", name=op.f("uq_waitlist_entries_email")),
    )
    op.create_index("ix_waitlist_entries_created_at_id", "waitlist_entries", ["created_at", "id"])
    op.create_index(
        "ix_waitlist_entries_waiting",
        "waitlist_entries",
        ["created_at", "id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_table("waitlist_entries")
