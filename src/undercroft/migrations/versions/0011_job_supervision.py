"""Record jobs that do not stop on request, and the tasks that each worker runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011_job_supervision"
down_revision = "0010_session_issuers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("unresponsive_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job_workers", sa.Column("tasks", postgresql.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    op.drop_column("job_workers", "tasks")
    op.drop_column("jobs", "unresponsive_since")
