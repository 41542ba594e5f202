"""Durations of bookings. The backfill `example.fill_minutes` fills them in for existing bookings."""

import sqlalchemy as sa
from alembic import op

revision = "0004_booking_minutes"
down_revision = "0003_user_fields"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("example_bookings", sa.Column("minutes", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("example_bookings", "minutes")
