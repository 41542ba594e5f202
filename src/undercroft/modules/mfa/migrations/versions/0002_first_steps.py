"""Add the first factor to pending sign-ins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_first_steps"
down_revision = "0001_mfa"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "mfa_halfway_sign_ins", sa.Column("first_step", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("mfa_halfway_sign_ins", "first_step")
