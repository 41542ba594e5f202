"""Record every email address of an account for its erasure, and make the deletion of an account irreversible.

Both decide what may be erased from the audit log, so triggers enforce them, not the application: with its role, an
attacker could otherwise delete a user, erase their values, and undo the deletion.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012_user_addresses"
down_revision = "0011_job_supervision"
branch_labels = None
depends_on = None
accepted_risks = {
    "change rows": "No deployment had traffic when this was released.",
    "unchecked": "No deployment had traffic when this was released.",
}

NOTE = """
CREATE FUNCTION users_note_address() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.deleted_at IS NULL THEN
        INSERT INTO public.user_addresses (email, user_id) VALUES (NEW.email, NEW.id)
        ON CONFLICT (email) DO UPDATE SET user_id = excluded.user_id;
    END IF;
    RETURN NULL;
END $$
"""
GUARD = """
CREATE FUNCTION users_guard_deletion() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.id <> OLD.id OR (OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS DISTINCT FROM OLD.deleted_at) THEN
            RAISE EXCEPTION 'the deletion of an account is final' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION 'accounts are anonymized, their rows stay' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$
"""
REFUSE = """
CREATE FUNCTION user_addresses_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
CLOSE = """
DO $$ DECLARE given record; BEGIN
    FOR given IN
        SELECT DISTINCT a.grantee, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'public.user_addresses'::regclass AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT'
    LOOP
        EXECUTE format('REVOKE %s ON public.user_addresses FROM %s', given.privilege_type,
            CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END);
    END LOOP;
END $$
"""
TRIGGERS = (
    (
        "CREATE TRIGGER note_address AFTER INSERT OR UPDATE OF email ON users "
        "FOR EACH ROW EXECUTE FUNCTION users_note_address()"
    ),
    (
        "CREATE TRIGGER guard_deletion BEFORE UPDATE OF id, deleted_at OR DELETE ON users "
        "FOR EACH ROW EXECUTE FUNCTION users_guard_deletion()"
    ),
    # `undercroft db roles` knows this trigger name and does not grant UPDATE and DELETE again
    (
        "CREATE TRIGGER append_only BEFORE TRUNCATE ON user_addresses "
        "FOR EACH STATEMENT EXECUTE FUNCTION user_addresses_refuse()"
    ),
)


def upgrade() -> None:
    op.create_table(
        "user_addresses",
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_addresses_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_user_addresses")),
    )
    op.create_index(op.f("ix_user_addresses_user_id"), "user_addresses", ["user_id"], unique=False)
    op.execute("INSERT INTO user_addresses (email, user_id) SELECT email, id FROM users WHERE deleted_at IS NULL")
    for statement in (NOTE, GUARD, REFUSE, *TRIGGERS, CLOSE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER guard_deletion ON users")
    op.execute("DROP TRIGGER note_address ON users")
    op.drop_index(op.f("ix_user_addresses_user_id"), table_name="user_addresses")
    op.drop_table("user_addresses")
    for function in ("user_addresses_refuse", "users_guard_deletion", "users_note_address"):
        op.execute(f"DROP FUNCTION {function}()")
