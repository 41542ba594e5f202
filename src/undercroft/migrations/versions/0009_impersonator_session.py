"""End an impersonation with the administrator's own session."""

import sqlalchemy as sa
from alembic import op

revision = "0009_impersonator_session"
down_revision = "0008_requesting_devices"
branch_labels = None
depends_on = None
accepted_risks = {
    "add constraint": "No deployment had traffic when this was released.",
    "create index": "No deployment had traffic when this was released.",
    "change rows": "No deployment had traffic when this was released.",
}


def upgrade() -> None:
    op.add_column("auth_sessions", sa.Column("impersonator_session_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_auth_sessions_impersonator_session_id_auth_sessions"),
        "auth_sessions",
        "auth_sessions",
        ["impersonator_session_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(
        "ix_auth_sessions_impersonator_session_id",
        "auth_sessions",
        ["impersonator_session_id"],
        unique=False,
        postgresql_where=sa.text("impersonator_session_id IS NOT NULL"),
    )
    # The session that started a running impersonation is unknown.
    op.execute("UPDATE auth_sessions SET revoked_at = now() WHERE impersonator_id IS NOT NULL AND revoked_at IS NULL")


def downgrade() -> None:
    op.drop_index("ix_auth_sessions_impersonator_session_id", table_name="auth_sessions")
    op.drop_constraint(
        op.f("fk_auth_sessions_impersonator_session_id_auth_sessions"), "auth_sessions", type_="foreignkey"
    )
    op.drop_column("auth_sessions", "impersonator_session_id")
