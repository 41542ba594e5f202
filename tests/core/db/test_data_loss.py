"""Detection of migration statements that can lose data."""

import pytest

from undercroft.core.db.migrations.data_loss import first_lossy_statement

SAFE = [
    "BEGIN;",
    "-- Running upgrade 0001 -> 0002; DROP TABLE users",
    "CREATE TABLE shelf (id INT NOT NULL, note TEXT DEFAULT 'DROP TABLE users;')",
    "CREATE UNIQUE INDEX CONCURRENTLY ix ON users (name)",
    "ALTER TABLE users ADD COLUMN age INTEGER",
    "ALTER TABLE users ADD COLUMN age INTEGER DEFAULT 0 NOT NULL;",
    'ALTER TABLE "users" ADD COLUMN price NUMERIC(10, 2), ADD CONSTRAINT fk FOREIGN KEY(a, b) REFERENCES t (a, b)',
    "ALTER TABLE users ADD CHECK (age > 0)",
    "ALTER TABLE users RENAME COLUMN name TO full_name",
    "ALTER TABLE users RENAME TO people",
    "ALTER TABLE users ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE users ALTER COLUMN name SET DEFAULT 'x'",
    "ALTER TABLE users DROP CONSTRAINT uq",
    "DROP INDEX ix",
    "COMMENT ON TABLE users IS 'DELETE FROM users'",
    "CREATE FUNCTION f() RETURNS void AS $body$ BEGIN DELETE FROM users; END $body$ LANGUAGE plpgsql;;",
    "INSERT INTO kinds (name) VALUES ('a') ON CONFLICT DO NOTHING",
    "UPDATE core_alembic_version SET version_num='0002' WHERE core_alembic_version.version_num = '0001'",
    "ALTER TYPE mood ADD VALUE 'calm'",
]
LOSSY = [
    "DROP TABLE users",
    "DROP TABLE IF EXISTS users CASCADE",
    "ALTER TABLE users DROP COLUMN name",
    "ALTER TABLE users DROP name",
    "ALTER TABLE users ADD COLUMN full_name TEXT, DROP COLUMN name",
    "ALTER TABLE users ALTER COLUMN name TYPE INTEGER USING name::integer",
    "ALTER TABLE users ALTER name SET DATA TYPE VARCHAR(3)",
    "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE users ADD COLUMN age INTEGER NOT NULL",
    "alter table users drop column name",
    "UPDATE users SET name = ''",
    "DELETE FROM users",
    "delete\nfrom users where id = 1",
    "TRUNCATE users",
    "WITH gone AS (DELETE FROM users RETURNING *) INSERT INTO past SELECT * FROM gone",
    "CREATE TABLE past AS WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone",
    "INSERT INTO kinds (name) VALUES ('a') ON CONFLICT (name) DO UPDATE SET name = 'b'",
    "CREATE INDEX ix ON users (name); DROP TABLE users",
    r"COMMENT ON TABLE users IS 'a\'; DROP TABLE users; --'",
    "/* harmless */ DROP TABLE users",
    'DROP TABLE "users"',
    "DROP SCHEMA public CASCADE",
    "DROP TYPE mood",
    "DROP FUNCTION f() CASCADE",
    "DO $$ BEGIN DELETE FROM users; END $$",
    "SELECT erase_everybody()",
    "MERGE INTO users USING other ON true WHEN MATCHED THEN DELETE",
    "COPY users FROM '/tmp/x'",
]


@pytest.mark.parametrize("statement", SAFE)
def test_safe_statement_passes(statement: str) -> None:
    assert first_lossy_statement([statement], "core_alembic_version", set()) is None


@pytest.mark.parametrize("statement", LOSSY)
def test_lossy_statement_is_returned(statement: str) -> None:
    assert first_lossy_statement(["BEGIN;", statement, "COMMIT;"], "core_alembic_version", set()) == statement


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE shelf", "UPDATE shelf SET a = 1", "ALTER TABLE shelf ALTER COLUMN a SET NOT NULL, DROP COLUMN b"],
)
def test_table_created_in_the_same_run_cannot_lose_data(statement: str) -> None:
    created = set[str]()
    assert (
        first_lossy_statement(["CREATE TABLE shelf (a INT, b INT)", statement], "core_alembic_version", created) is None
    )
    assert first_lossy_statement([statement], "core_alembic_version", created) is None
    assert first_lossy_statement([statement.replace("shelf", "users")], "core_alembic_version", created) is not None


def test_truncate_cascade_is_lossy() -> None:
    statements = ["CREATE TABLE shelf (a INT)", "TRUNCATE shelf CASCADE"]
    assert first_lossy_statement(statements, "core_alembic_version", set()) == statements[1]
