"""The version of a team, for edits that must not overwrite each other."""

import sqlalchemy as sa
from alembic import op

revision = "0017_team_version"
down_revision = "0016_backfills"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("teams", sa.Column("version", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    op.drop_column("teams", "version")
