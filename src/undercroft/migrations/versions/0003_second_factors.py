"""Add second factors, the sessions that verified them, and the teams that require them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0003_second_factors"
down_revision = "0002_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    factors = ARRAY(sa.String(length=16))
    op.add_column("users", sa.Column("second_factors", factors, server_default=sa.text("'{}'"), nullable=False))
    op.add_column("auth_sessions", sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "auth_sessions", sa.Column("passed_mfa", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("teams", sa.Column("require_mfa", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("teams", "require_mfa")
    op.drop_column("auth_sessions", "passed_mfa")
    op.drop_column("auth_sessions", "proven_at")
    op.drop_column("users", "second_factors")
