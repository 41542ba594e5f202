"""Add impersonation sessions of administrators."""

import sqlalchemy as sa
from alembic import op

revision = "0005_impersonation"
down_revision = "0004_team_roles_and_invitations"
branch_labels = None
depends_on = None
accepted_risks = {
    "add constraint": "No deployment had traffic when this was released.",
    "create index": "No deployment had traffic when this was released.",
}


def upgrade() -> None:
    op.add_column("auth_sessions", sa.Column("impersonator_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_auth_sessions_impersonator_id_users"),
        "auth_sessions",
        "users",
        ["impersonator_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(
        "ix_auth_sessions_impersonator_id",
        "auth_sessions",
        ["impersonator_id"],
        unique=False,
        postgresql_where=sa.text("impersonator_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("DELETE FROM auth_sessions WHERE impersonator_id IS NOT NULL")
    op.drop_index("ix_auth_sessions_impersonator_id", table_name="auth_sessions")
    op.drop_constraint(op.f("fk_auth_sessions_impersonator_id_users"), "auth_sessions", type_="foreignkey")
    op.drop_column("auth_sessions", "impersonator_id")
