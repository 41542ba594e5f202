"""Make the functions of the log resolve names in the catalog first and in temporary objects last.

A search path without `pg_temp` implicitly starts with it: a role that may create temporary objects could otherwise
shadow `text` with its own type, whose check would run as the owner of the tables.
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
