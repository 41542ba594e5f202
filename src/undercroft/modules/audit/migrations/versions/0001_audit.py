"""Audit log: two tables partitioned by month, which other roles than the owner can only read and append to.

The roles are taken from the privileges of the tables, so no role name is needed here.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_audit"
down_revision = None
branch_labels = None
depends_on = None
accepted_risks = {"unchecked": "Only affects tables that this migration creates."}

REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: entries are only ever added', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$
"""

CLOSE = """
CREATE FUNCTION audit_close(target regclass, kept text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE given record;
BEGIN
    FOR given IN
        SELECT DISTINCT a.grantee, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = target AND a.grantee <> c.relowner AND a.privilege_type <> ALL (kept)
    LOOP
        EXECUTE format('REVOKE %s ON %s FROM %s', given.privilege_type, target,
            CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END);
    END LOOP;
END $$
"""
"""Revoke all other privileges from every role except the owner."""

PARTITION = """
CREATE FUNCTION audit_partition(parent regclass, name text, bounds text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE refused text := CASE parent WHEN 'public.audit_entries'::regclass THEN 'UPDATE OR DELETE' ELSE 'UPDATE' END;
BEGIN
    EXECUTE format('CREATE TABLE public.%I PARTITION OF %s %s', name, parent, bounds);
    EXECUTE format('CREATE TRIGGER append_only BEFORE %s OR TRUNCATE ON public.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse()', refused, name);
    PERFORM public.audit_close(format('public.%I', name)::regclass, '{}');
END $$
"""
"""Create a partition: other roles access it only through its parent; its trigger refuses the same as the parent's."""

ADD_PARTITIONS = """
CREATE FUNCTION audit_add_partitions(months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET timezone = 'UTC' AS $$
DECLARE
    parent regclass;
    beginning timestamptz;
    name text;
    beyond boolean;
    made integer := 0;
BEGIN
    IF months NOT BETWEEN 0 AND 24 THEN
        RAISE EXCEPTION 'from 0 to 24 months ahead, not %', months;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.partitions', 0));
    FOREACH parent IN ARRAY ARRAY['public.audit_entries', 'public.audit_personal']::regclass[] LOOP
        FOR beginning IN SELECT date_trunc('month', now()) + number * interval '1 month'
            FROM generate_series(0, months) AS number
        LOOP
            name := (SELECT relname FROM pg_class WHERE oid = parent) || to_char(beginning, '_YYYY_MM');
            CONTINUE WHEN to_regclass(format('public.%I', name)) IS NOT NULL;
            EXECUTE format('SELECT EXISTS (SELECT FROM %s_default WHERE occurred_at >= %L AND occurred_at < %L)',
                parent, beginning, beginning + interval '1 month') INTO beyond;
            CONTINUE WHEN beyond;
            PERFORM public.audit_partition(parent, name, format('FOR VALUES FROM (%L) TO (%L)',
                beginning, beginning + interval '1 month'));
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$
"""
"""Create partitions for this month and the given number of months. It does nothing else, so every role may call it.

A month that has rows in the default partition stays there: rows are never moved.
"""

ERASE = """
CREATE FUNCTION audit_erase(person uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE erased bigint;
BEGIN
    IF EXISTS (SELECT FROM public.users WHERE id = person AND deleted_at IS NULL) THEN
        RAISE EXCEPTION 'values of an existing account cannot be erased' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM public.audit_personal WHERE person_id = person;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$
"""
"""Delete personal values of a deleted user. Roles that may not delete from the table can do only this."""

FUNCTIONS = (REFUSE, CLOSE, PARTITION, ADD_PARTITIONS, ERASE)
TABLES = {"audit_entries": "UPDATE OR DELETE", "audit_personal": "UPDATE"}
MONTHS_AHEAD = 12


def upgrade() -> None:
    jsonb = postgresql.JSONB(astext_type=sa.Text())
    op.create_table(
        "audit_entries",
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("impersonator_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("target_type", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("before", jsonb, nullable=False),
        sa.Column("after", jsonb, nullable=False),
        sa.Column("details", jsonb, nullable=False),
        sa.PrimaryKeyConstraint("occurred_at", "id", name=op.f("pk_audit_entries")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    for column in ("team_id", "user_id", "target_id", "action"):
        op.create_index(f"ix_audit_entries_{column}", "audit_entries", [column, "occurred_at", "id"], unique=False)
    op.create_table(
        "audit_personal",
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.String(length=8), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("values", jsonb, nullable=False),
        sa.PrimaryKeyConstraint("occurred_at", "entry_id", "part", name=op.f("pk_audit_personal")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index("ix_audit_personal_person_id", "audit_personal", ["person_id"], unique=False)
    for function in FUNCTIONS:
        op.execute(function)
    for table, refused in TABLES.items():
        op.execute(
            f"CREATE TRIGGER append_only BEFORE {refused} OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        )
        op.execute(f"SELECT audit_close('{table}', '{{SELECT,INSERT}}')")
        op.execute(f"SELECT audit_partition('{table}', '{table}_default', 'DEFAULT')")
    op.execute(f"SELECT audit_add_partitions({MONTHS_AHEAD})")


def downgrade() -> None:
    op.drop_table("audit_personal")
    op.drop_table("audit_entries")
    for function in (
        "audit_erase(uuid)",
        "audit_add_partitions(integer)",
        "audit_partition(regclass, text, text)",
        "audit_close(regclass, text[])",
        "audit_refuse()",
    ):
        op.execute(f"DROP FUNCTION {function}")
