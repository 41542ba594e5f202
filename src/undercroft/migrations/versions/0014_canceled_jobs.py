"""Spell the status of canceled jobs as everywhere else."""

from alembic import op

revision = "0014_canceled_jobs"
down_revision = "0013_reauthenticated_at"
branch_labels = None
depends_on = None
backward_compatible = False
accepted_risks = {
    "change rows": "No deployment had traffic when this was released.",
    "add constraint": "No deployment had traffic when this was released.",
}


def upgrade() -> None:
    rename_status("cancelled", "canceled")


def downgrade() -> None:
    rename_status("canceled", "cancelled")


def rename_status(old: str, new: str) -> None:
    op.drop_constraint(op.f("ck_jobs_status"), "jobs", type_="check")
    op.execute(f"UPDATE jobs SET status = '{new}' WHERE status = '{old}'")  # noqa: S608 - two constants
    op.create_check_constraint(
        op.f("ck_jobs_status"), "jobs", f"status IN ('queued', 'running', 'succeeded', 'failed', '{new}')"
    )
