"""Rename the table of pending sign-ins, and two of its columns.

Challenges of the previous release keep the purpose `second_step`: they expire after five minutes and work no longer.
"""

from alembic import op

revision = "0003_pending_sign_ins"
down_revision = "0002_first_steps"
branch_labels = None
depends_on = None

backward_compatible = False
accepted_risks = {
    "rename table": "No deployment had traffic when this was released.",
    "rename column": "No deployment had traffic when this was released.",
}

OLD, NEW = "mfa_halfway_sign_ins", "mfa_pending_sign_ins"
COLUMNS = (("first_step", "first_factor"), ("password_mark", "password_digest"))


def upgrade() -> None:
    op.rename_table(OLD, NEW)
    _rename_constraints_and_indexes(NEW, OLD, NEW)
    for old, new in COLUMNS:
        op.alter_column(NEW, old, new_column_name=new)


def downgrade() -> None:
    for old, new in COLUMNS:
        op.alter_column(NEW, new, new_column_name=old)
    _rename_constraints_and_indexes(NEW, NEW, OLD)
    op.rename_table(NEW, OLD)


def _rename_constraints_and_indexes(table: str, old: str, new: str) -> None:
    for name in ("pk_{}", "uq_{}_token_hash", "fk_{}_user_id_users"):
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name.format(old)} TO {name.format(new)}")
    for name in ("ix_{}_expires_at", "ix_{}_user_id"):
        op.execute(f"ALTER INDEX {name.format(old)} RENAME TO {name.format(new)}")
