"""Record where sessions were started: only these places are known to an account."""

import sqlalchemy as sa
from alembic import op

revision = "0006_known_places"
down_revision = "0005_impersonation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty for existing sessions: the address of their last use may be an attacker's.
    op.add_column("auth_sessions", sa.Column("started_ip", sa.String(length=45), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("auth_sessions", "started_ip")
