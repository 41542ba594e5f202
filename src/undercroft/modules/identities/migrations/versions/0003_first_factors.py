"""Rename the first factor of exchange codes."""

from alembic import op

revision = "0003_first_factors"
down_revision = "0002_states_of_identities"
branch_labels = None
depends_on = None

backward_compatible = False
accepted_risks = {"rename column": "No deployment had traffic when this was released."}


def upgrade() -> None:
    op.alter_column("identity_exchange_codes", "first_step", new_column_name="first_factor")


def downgrade() -> None:
    op.alter_column("identity_exchange_codes", "first_factor", new_column_name="first_step")
