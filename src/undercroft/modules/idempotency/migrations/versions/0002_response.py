"""Name the stored response and the outcomes as the API does."""

from alembic import op

revision = "0002_response"
down_revision = "0001_idempotency_keys"
branch_labels = None
depends_on = None
backward_compatible = False
accepted_risks = {
    "rename column": "No deployment had traffic when this was released.",
    "change rows": "No deployment had traffic when this was released.",
}

OUTCOMES = {"answered": "completed", "not kept": "not_stored"}  # typos: ignore


def upgrade() -> None:
    op.alter_column("idempotency_keys", "answer", new_column_name="response")  # typos: ignore
    for old, new in OUTCOMES.items():
        rename_outcome(old, new)


def downgrade() -> None:
    for old, new in OUTCOMES.items():
        rename_outcome(new, old)
    op.alter_column("idempotency_keys", "response", new_column_name="answer")  # typos: ignore


def rename_outcome(old: str, new: str) -> None:
    op.execute(f"UPDATE idempotency_keys SET outcome = '{new}' WHERE outcome = '{old}'")  # noqa: S608 - two constants
