"""Add custom team roles, invitations, and team domains."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_team_roles_and_invitations"
down_revision = "0003_second_factors"
branch_labels = None
depends_on = None
accepted_risks = {"create index": "No deployment had traffic when this was released."}


def upgrade() -> None:
    op.create_table(
        "team_invitations",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["accepted_by"], ["users.id"], name=op.f("fk_team_invitations_accepted_by_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["users.id"], name=op.f("fk_team_invitations_invited_by_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_team_invitations_team_id_teams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_invitations")),
    )
    op.create_index("ix_team_invitations_accepted_by", "team_invitations", ["accepted_by"], unique=False)
    op.create_index("ix_team_invitations_expires_at", "team_invitations", ["expires_at"], unique=False)
    op.create_index(
        "uq_team_invitations_team_id_email",
        "team_invitations",
        ["team_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL"),
    )
    op.create_table(
        "team_roles",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_team_roles_team_id_teams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_roles")),
    )
    op.create_index("uq_team_roles_team_id_name", "team_roles", ["team_id", "name"], unique=True)
    op.create_table(
        "team_invitation_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["team_invitations.id"],
            name=op.f("fk_team_invitation_tokens_invitation_id_team_invitations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_team_invitation_tokens")),
    )
    op.create_index(
        op.f("ix_team_invitation_tokens_invitation_id"), "team_invitation_tokens", ["invitation_id"], unique=False
    )
    op.add_column(
        "teams",
        sa.Column(
            "auto_join_domains", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
    )
    op.add_column("teams", sa.Column("auto_join_role", sa.String(length=40), server_default="member", nullable=False))
    op.create_index("ix_teams_auto_join_domains", "teams", ["auto_join_domains"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_teams_deleted_at", "teams", ["deleted_at"], unique=False, postgresql_where=sa.text("deleted_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_teams_deleted_at", table_name="teams", postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_index("ix_teams_auto_join_domains", table_name="teams", postgresql_using="gin")
    op.drop_column("teams", "auto_join_role")
    op.drop_column("teams", "auto_join_domains")
    op.drop_index(op.f("ix_team_invitation_tokens_invitation_id"), table_name="team_invitation_tokens")
    op.drop_table("team_invitation_tokens")
    op.drop_index("uq_team_roles_team_id_name", table_name="team_roles")
    op.drop_table("team_roles")
    op.drop_index(
        "uq_team_invitations_team_id_email",
        table_name="team_invitations",
        postgresql_where=sa.text("accepted_at IS NULL"),
    )
    op.drop_index("ix_team_invitations_expires_at", table_name="team_invitations")
    op.drop_index("ix_team_invitations_accepted_by", table_name="team_invitations")
    op.drop_table("team_invitations")
