"""Erase by account or purged team, for all addresses; move free text of users out of existing entries.

`guard_deletion` in the core migrations makes the deletion of an account final. A team is purged if the log says so,
which no role can change.
"""

from alembic import op

revision = "0004_audit_erasure"
down_revision = "0003_audit_own_names"
branch_labels = None
depends_on = None
accepted_risks = {"unchecked": "No deployment had traffic when this was released."}

PERSON = """
CREATE FUNCTION audit_person(address text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT encode(substr(sha256(convert_to('mailto:' || address, 'UTF8')), 1, 16), 'hex')::uuid $$
"""

ERASE = """
CREATE OR REPLACE FUNCTION audit_erase(person uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE erased bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM public.users WHERE id = person AND deleted_at IS NOT NULL) AND (
        EXISTS (SELECT FROM public.teams WHERE id = person)
        OR NOT EXISTS (SELECT FROM public.audit_entries WHERE target_id = person AND action = 'team.purged')
    ) THEN
        RAISE EXCEPTION 'only the values of deleted accounts and purged teams are erased'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM public.audit_personal WHERE person_id = person OR person_id IN (
        SELECT public.audit_person(email) FROM public.user_addresses WHERE user_id = person
    );
    GET DIAGNOSTICS erased = ROW_COUNT;
    DELETE FROM public.user_addresses a USING public.users u
        WHERE a.user_id = person AND u.id = person AND u.deleted_at < now() - interval '5 minutes';
    RETURN erased;
END $$
"""

ERASE_BEFORE = """
CREATE OR REPLACE FUNCTION audit_erase(person uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

MOVE = r"""
CREATE FUNCTION pg_temp.texts_of(fields jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}') FROM jsonb_each(fields) f
    WHERE f.key <> 'issuer' AND EXISTS (
        SELECT FROM jsonb_path_query(f.value, 'strict $.**') v WHERE jsonb_typeof(v) = 'string'
        AND v #>> '{}' NOT IN ('', '[personal]', '[redacted]')
        AND (
            f.key IN ('name', 'title', 'description', 'slug', 'label', 'reason', 'note', 'notes', 'text', 'message')
            OR v #>> '{}' !~ '^[a-z0-9_]{1,64}([.:/-][a-z0-9_]{1,64}){0,12}(\.\*)?$'
            AND v #>> '{}' !~ '^\d{4}-\d\d-\d\d[T ]?[0-9:.]{0,15}(Z|[+-]\d\d:?\d\d)?$'
        )
    )
$$;
CREATE FUNCTION pg_temp.without(fields jsonb, texts jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT fields || coalesce(jsonb_object_agg(key, '[personal]'), '{}') FROM jsonb_object_keys(texts) key
$$;
CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
    SELECT * FROM (
        SELECT e.occurred_at, e.id,
            coalesce(e.team_id, CASE WHEN e.target_type = 'user' THEN e.target_id END, e.impersonator_id, e.user_id)
                AS person_id,
            pg_temp.texts_of(e.before) AS before, pg_temp.texts_of(e.after) AS after,
            pg_temp.texts_of(e.details) AS details
        FROM public.audit_entries e
    ) AS found
    WHERE before <> '{}' OR after <> '{}' OR details <> '{}';
INSERT INTO public.audit_personal (occurred_at, entry_id, part, person_id, values)
    SELECT occurred_at, id, 'texts', person_id,
        jsonb_strip_nulls(jsonb_build_object(
            'before', nullif(before, '{}'), 'after', nullif(after, '{}'), 'details', nullif(details, '{}')))
    FROM moved;
UPDATE public.audit_entries e SET before = pg_temp.without(e.before, m.before),
    after = pg_temp.without(e.after, m.after), details = pg_temp.without(e.details, m.details)
    FROM moved m WHERE e.occurred_at = m.occurred_at AND e.id = m.id;
UPDATE public.audit_personal p SET person_id = public.audit_person(coalesce(
        p.values #>> '{after,email}', p.values #>> '{before,email}'))
    FROM public.audit_entries e
    WHERE p.part = 'fields' AND e.id = p.entry_id AND e.occurred_at = p.occurred_at AND e.target_type = 'invitation'
    AND coalesce(p.values #>> '{after,email}', p.values #>> '{before,email}') IS NOT NULL
"""
"""Runs as the owner with the append-only triggers disabled: the only time that entries are rewritten."""

TABLES = """
SELECT format('public.%I', relname) FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid
WHERE t.tgname = 'append_only' AND c.relname ~ '^audit_(entries|personal)'
"""


def upgrade() -> None:
    op.execute(PERSON)
    op.execute(ERASE)
    connection = op.get_bind()
    tables = [row[0] for row in connection.exec_driver_sql(TABLES)]
    for table in tables:
        op.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    for statement in MOVE.split(";\n"):
        connection.exec_driver_sql(statement)
    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")


def downgrade() -> None:
    op.execute(ERASE_BEFORE)
    op.execute("DROP FUNCTION audit_person(text)")
