"""Add blocks and pending addresses to identities, and the first factor to exchange codes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_states_of_identities"
down_revision = "0001_identities"
branch_labels = None
depends_on = None
accepted_risks = {"create index": "No deployment had traffic when this was released."}


def upgrade() -> None:
    op.add_column("external_identities", sa.Column("pending_email", sa.String(length=254), nullable=True))
    op.create_index(
        "ix_external_identities_pending_email",
        "external_identities",
        ["pending_email"],
        unique=False,
        postgresql_where=sa.text("pending_email IS NOT NULL"),
    )
    op.add_column("external_identities", sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("external_identities", sa.Column("block_known_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "identity_exchange_codes", sa.Column("first_step", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("identity_exchange_codes", "first_step")
    op.drop_column("external_identities", "block_known_at")
    op.drop_column("external_identities", "blocked_until")
    op.drop_index("ix_external_identities_pending_email", table_name="external_identities")
    op.drop_column("external_identities", "pending_email")
