"""Let the log's functions look for names in the catalogue first, and among a session's temporary objects last.

A search path that does not name `pg_temp` begins with it: whoever may make temporary objects could put a type of their
own, with a check that runs as the tables' owner, in the place of `text`.
"""

from alembic import op

revision = "0003_audit_own_names"
down_revision = "0002_audit_actors"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "audit_erase(uuid)",
    "audit_add_partitions(integer)",
    "audit_partition(regclass, text, text)",
    "audit_close(regclass, text[])",
)


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} SET search_path = pg_catalog, pg_temp")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} SET search_path = pg_catalog")
