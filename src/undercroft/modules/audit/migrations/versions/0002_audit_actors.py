"""Add indexes by impersonator, API key and job. They are partial, and small as few entries have these values."""

import sqlalchemy as sa
from alembic import op

revision = "0002_audit_actors"
down_revision = "0001_audit"
branch_labels = None
depends_on = None
accepted_risks = {"create index": "No deployment had traffic when this was released."}

COLUMNS = ("impersonator_id", "api_key_id", "job_id")


def upgrade() -> None:
    for column in COLUMNS:
        op.create_index(
            f"ix_audit_entries_{column}",
            "audit_entries",
            [column],
            unique=False,
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_index(f"ix_audit_entries_{column}", table_name="audit_entries")
