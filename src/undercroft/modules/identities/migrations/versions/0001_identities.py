"""Create tables of external identities."""

import sqlalchemy as sa
from alembic import op

revision = "0001_identities"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "external_identities",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_external_identities_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_identities")),
    )
    op.create_index("uq_external_identities_issuer_subject", "external_identities", ["issuer", "subject"], unique=True)
    op.create_index("ix_external_identities_user_id", "external_identities", ["user_id"], unique=False)
    op.create_table(
        "identity_used_marks",
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_identity_used_marks")),
    )
    op.create_index(op.f("ix_identity_used_marks_expires_at"), "identity_used_marks", ["expires_at"], unique=False)
    op.create_table(
        "identity_exchange_codes",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("challenge", sa.String(length=43), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_identity_exchange_codes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_identity_exchange_codes")),
    )
    op.create_index(
        op.f("ix_identity_exchange_codes_expires_at"), "identity_exchange_codes", ["expires_at"], unique=False
    )
    op.create_index(op.f("ix_identity_exchange_codes_user_id"), "identity_exchange_codes", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_table("identity_exchange_codes")
    op.drop_table("identity_used_marks")
    op.drop_table("external_identities")
