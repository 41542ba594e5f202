"""Rename the time of a session's last reauthentication."""

from alembic import op

revision = "0013_reauthenticated_at"
down_revision = "0012_user_addresses"
branch_labels = None
depends_on = None

backward_compatible = False
accepted_risks = {"rename column": "No deployment had traffic when this was released."}


def upgrade() -> None:
    op.alter_column("auth_sessions", "proven_at", new_column_name="reauthenticated_at")


def downgrade() -> None:
    op.alter_column("auth_sessions", "reauthenticated_at", new_column_name="proven_at")
