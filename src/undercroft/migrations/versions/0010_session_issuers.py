"""Record the identity provider that verified the user of a session."""

import sqlalchemy as sa
from alembic import op

revision = "0010_session_issuers"
down_revision = "0009_impersonator_session"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("auth_sessions", sa.Column("issuer", sa.String(length=500), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("auth_sessions", "issuer")
