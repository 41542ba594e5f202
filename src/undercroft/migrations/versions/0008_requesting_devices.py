"""Record the device and address that requested a registration, email or link."""

import sqlalchemy as sa
from alembic import op

revision = "0008_requesting_devices"
down_revision = "0007_join_offers"
branch_labels = None
depends_on = None

REQUESTS = ("auth_registrations", "auth_mail_requests")


def upgrade() -> None:
    for table in REQUESTS:
        op.add_column(table, sa.Column("handle_hash", sa.LargeBinary(), nullable=True))
        op.add_column(table, sa.Column("ip", sa.String(length=45), server_default="", nullable=False))
        op.add_column(table, sa.Column("user_agent", sa.String(length=400), server_default="", nullable=False))
    op.add_column("auth_mail_tokens", sa.Column("handle_hash", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("auth_mail_tokens", "handle_hash")
    for table in REQUESTS:
        op.drop_column(table, "user_agent")
        op.drop_column(table, "ip")
        op.drop_column(table, "handle_hash")
