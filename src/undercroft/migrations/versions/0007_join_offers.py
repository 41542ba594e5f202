"""Record who claimed a team's domains and who was removed from a team; joining by domain is offered, then accepted.

Domains that no current owner could claim have no claim and are removed when the team is next changed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_join_offers"
down_revision = "0006_known_places"
branch_labels = None
depends_on = None
accepted_risks = {"change rows": "No deployment had traffic when this was released."}

CLAIM = """
UPDATE teams SET auto_join_claims = found.claims FROM (
    SELECT team_id, jsonb_object_agg(domain, user_id) AS claims FROM (
        SELECT DISTINCT ON (t.id, domain) t.id AS team_id, domain, u.id AS user_id
        FROM teams t
        CROSS JOIN unnest(t.auto_join_domains) AS domain
        JOIN memberships m ON m.team_id = t.id AND m.role = 'owner'
        JOIN users u ON u.id = m.user_id
        WHERE u.deleted_at IS NULL AND u.email_verified_at IS NOT NULL
        AND right(u.email, length(domain) + 1) = '@' || domain
        ORDER BY t.id, domain, m.created_at
    ) AS claimable
    GROUP BY team_id
) AS found
WHERE found.team_id = teams.id
"""


def upgrade() -> None:
    op.add_column(
        "teams",
        sa.Column(
            "auto_join_claims",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.execute(CLAIM)
    op.create_table(
        "team_removals",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_team_removals_team_id_teams"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_team_removals_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_removals")),
    )
    op.create_index(op.f("ix_team_removals_user_id"), "team_removals", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_team_removals_user_id"), table_name="team_removals")
    op.drop_table("team_removals")
    op.drop_column("teams", "auto_join_claims")
