"""Detection of migrations that are dangerous with traffic, and the safe sequence for each."""

from pathlib import Path

import pytest

from tests.core.db import migration_files
from tests.core.db.migration_files import execute, write
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History
from undercroft.core.db.migrations.risks import KINDS, RiskDetector
from undercroft.core.db.migrations.statements import Statement
from undercroft.core.errors import ConfigurationError

MAPPED = {"shelf": {"id", "name"}}
DANGEROUS = [
    ("ALTER TABLE shelf ADD COLUMN size INTEGER NOT NULL", "add not null column"),
    ("alter table only shelf add size integer not null", "add not null column"),
    ("ALTER TABLE shelf ADD COLUMN key UUID DEFAULT gen_random_uuid() NOT NULL", "volatile default"),
    ("ALTER TABLE shelf ADD COLUMN at TIMESTAMP DEFAULT clock_timestamp()", "volatile default"),
    ("ALTER TABLE shelf ADD COLUMN number BIGSERIAL", "volatile default"),
    ("ALTER TABLE shelf ADD COLUMN number INT GENERATED ALWAYS AS IDENTITY", "volatile default"),
    ("ALTER TABLE shelf ADD COLUMN twice INT GENERATED ALWAYS AS (id * 2) STORED", "volatile default"),
    ("ALTER TABLE shelf ALTER COLUMN name SET NOT NULL", "set not null"),
    ("ALTER TABLE shelf ALTER name TYPE BIGINT USING name::bigint", "change type"),
    ("ALTER TABLE shelf ALTER COLUMN name SET DATA TYPE TEXT", "change type"),
    ("ALTER TABLE shelf SET UNLOGGED", "rewrite table"),
    ("VACUUM FULL shelf", "rewrite table"),
    ("VACUUM (ANALYZE, FULL) shelf", "rewrite table"),
    ("CLUSTER shelf USING ix", "rewrite table"),
    ("CREATE INDEX ix ON shelf (name)", "create index"),
    ("CREATE UNIQUE INDEX IF NOT EXISTS ix ON shelf USING btree (lower(name))", "create index"),
    ("CREATE INDEX ON shelf (name)", "create index"),
    ("CREATE INDEX CONCURRENTLY ix ON shelf (name)", "concurrently in transaction"),
    ("DROP INDEX CONCURRENTLY ix", "concurrently in transaction"),
    ("ALTER TABLE shelf ADD CONSTRAINT fk FOREIGN KEY(id) REFERENCES users (id)", "add constraint"),
    ("ALTER TABLE shelf ADD CHECK (id > 0)", "add constraint"),
    ("ALTER TABLE shelf ADD COLUMN size INT DEFAULT 1 CHECK (size > 0)", "add constraint"),
    ("ALTER TABLE shelf ADD COLUMN a INT, ADD CONSTRAINT c CHECK (a > 0)", "add constraint"),
    ("ALTER TABLE shelf ADD CONSTRAINT uq UNIQUE (name)", "add unique constraint"),
    ("ALTER TABLE shelf ADD PRIMARY KEY (id)", "add unique constraint"),
    ("ALTER TABLE shelf ADD COLUMN code TEXT UNIQUE", "add unique constraint"),
    ("ALTER TABLE shelf ADD EXCLUDE USING gist (id WITH =)", "add unique constraint"),
    ("ALTER TABLE shelf RENAME COLUMN name TO title", "rename column"),
    ("ALTER TABLE shelf RENAME name TO title", "rename column"),
    ("ALTER TABLE shelf RENAME TO shelves", "rename table"),
    ("ALTER TABLE shelf SET SCHEMA old", "rename table"),
    ("ALTER TABLE shelf DROP COLUMN name", "drop column"),
    ('ALTER TABLE "shelf" DROP IF EXISTS "name" CASCADE', "drop column"),
    ("DROP TABLE IF EXISTS shelf", "drop table"),
    ("ALTER TYPE mood ADD VALUE 'calm'", "change enum"),
    ("ALTER TYPE mood RENAME VALUE 'calm' TO 'quiet'", "change enum"),
    ("LOCK TABLE shelf IN EXCLUSIVE MODE", "lock table"),
    ("REINDEX TABLE shelf", "lock table"),
    ("REFRESH MATERIALIZED VIEW totals", "lock table"),
    ("UPDATE shelf SET name = ''", "change rows"),
    ("DELETE FROM shelf WHERE id = 1", "change rows"),
    ("TRUNCATE TABLE shelf", "change rows"),
    ("INSERT INTO past (id) SELECT id FROM shelf", "change rows"),
    ("CREATE TABLE past AS SELECT * FROM shelf", "change rows"),
    ("WITH gone AS (DELETE FROM shelf RETURNING id) SELECT * FROM gone", "change rows"),
    ("DO $$ BEGIN DELETE FROM shelf; END $$", "unchecked"),
    ("SELECT erase_all()", "unchecked"),
    ("ALTER TABLE shelf EXPLODE", "unchecked"),
    ("COMMENT ON TABLE shelf IS 'x'; /* CREATE TABLE shelf */ DROP TABLE shelf", "drop table"),
]
SAFE = [
    "ALTER TABLE shelf ADD COLUMN note TEXT",
    "ALTER TABLE shelf ADD COLUMN note VARCHAR(20) DEFAULT 'a(b)'::character varying(20) NOT NULL",
    "ALTER TABLE shelf ADD COLUMN at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL",
    "ALTER TABLE shelf ADD COLUMN owner UUID REFERENCES users (id)",
    "ALTER TABLE shelf ADD COLUMN tags VARCHAR(20)[] DEFAULT '{}' NOT NULL",
    "ALTER TABLE shelf ADD CONSTRAINT fk FOREIGN KEY(id) REFERENCES users (id) NOT VALID",
    "ALTER TABLE shelf VALIDATE CONSTRAINT fk",
    "ALTER TABLE shelf ADD CONSTRAINT uq UNIQUE USING INDEX uq",
    "ALTER TABLE shelf ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE shelf ALTER COLUMN name SET DEFAULT gen_random_uuid()",
    "ALTER TABLE shelf DROP CONSTRAINT uq",
    "ALTER TABLE shelf RENAME CONSTRAINT uq TO uq_name",
    "ALTER TABLE shelf ENABLE ROW LEVEL SECURITY",
    "ALTER INDEX ix RENAME TO ix_name",
    "DROP INDEX ix",
    "COMMENT ON TABLE shelf IS 'DROP TABLE shelf'",
    "INSERT INTO kinds (name) VALUES ('select from')",
    "CREATE FUNCTION f() RETURNS void AS $$ DELETE FROM shelf $$ LANGUAGE sql",
    "CREATE TABLE fresh (id INT); CREATE INDEX ix ON fresh (id); ALTER TABLE fresh DROP COLUMN id",
    "COMMIT; CREATE INDEX CONCURRENTLY ix ON shelf (name); ALTER TYPE mood ADD VALUE IF NOT EXISTS 'calm'; BEGIN",
    "UPDATE library_alembic_version SET version_num = '2'",
]


def _kinds(*sqls: str) -> list[str]:
    """The kinds of risk of several migrations, one statement or more each."""
    detector = RiskDetector("library_alembic_version", MAPPED)
    return [risk.kind for sql in sqls for risk in detector.read([Statement(f"BEGIN; {sql}; COMMIT")])]


@pytest.mark.parametrize(("sql", "kind"), DANGEROUS)
def test_dangerous_statement_is_found_with_its_safe_sequence(sql: str, kind: str) -> None:
    (risk,) = RiskDetector("library_alembic_version", MAPPED).read([Statement("BEGIN;"), Statement(sql, line=7)])
    assert (risk.kind, risk.statement) == (kind, Statement(sql, line=7))
    assert risk.reason
    assert risk.safe_sequence
    assert not {"{", "}"} & set(risk.reason)


@pytest.mark.parametrize("sql", SAFE)
def test_safe_statement_passes(sql: str) -> None:
    assert _kinds(sql) == []


def test_every_kind_of_risk_is_covered() -> None:
    others = {"validate in transaction", "statement outside of transaction"}
    assert {kind for _, kind in DANGEROUS} | others == set(KINDS)


NOT_VALID = "ALTER TABLE shelf ADD CONSTRAINT ck_name CHECK (name IS NOT NULL) NOT VALID"
VALIDATE = "ALTER TABLE shelf VALIDATE CONSTRAINT ck_name"
SET_NOT_NULL = "ALTER TABLE shelf ALTER COLUMN name SET NOT NULL"


def test_not_null_needs_a_check_validated_by_an_earlier_migration() -> None:
    assert _kinds(NOT_VALID, VALIDATE, SET_NOT_NULL) == []
    assert _kinds(NOT_VALID, SET_NOT_NULL) == ["set not null"]
    assert _kinds(NOT_VALID, VALIDATE, SET_NOT_NULL.replace("name", "id")) == ["set not null"]


def test_constraint_is_not_validated_under_the_lock_that_added_it() -> None:
    assert _kinds(f"{NOT_VALID}; {VALIDATE}") == ["validate in transaction"]


def test_statement_outside_of_a_transaction_is_found_unless_it_is_concurrent() -> None:
    assert _kinds("COMMIT; ALTER TABLE shelf ADD COLUMN note TEXT; BEGIN") == ["statement outside of transaction"]


@pytest.mark.parametrize(("sql", "mapped"), [("name", True), ("note", False)])
def test_drop_of_a_mapped_column_says_so(sql: str, mapped: bool) -> None:
    (risk,) = RiskDetector("x", MAPPED).read([Statement(f"BEGIN; ALTER TABLE shelf DROP COLUMN {sql}")])
    assert ("A model of this release still maps it" in risk.reason) is mapped
    assert f'"retired_columns": ("{sql}",)' in risk.safe_sequence


@pytest.fixture
def library(tmp_path: Path) -> History:
    return migration_files.library(tmp_path)


DANGER = execute("ALTER TABLE shelf DROP COLUMN id")


def test_risk_of_a_file_is_shown_with_revision_line_and_statement(library: History) -> None:
    file = write(library.folder, "0002_drop", "0001_shelf", DANGER)
    (risk,) = migrations.find_risks(library)
    assert not risk.is_accepted
    shown = str(risk)
    assert shown.startswith(f"{file}:9: drop column (0002_drop of library)\n  ALTER TABLE shelf DROP COLUMN id\n")
    assert 'accepted_risks = {"drop column": "REASON"}' in shown


def test_file_accepts_a_risk_by_kind_with_a_reason(library: History) -> None:
    write(library.folder, "0002_drop", "0001_shelf", DANGER, more='accepted_risks = {"drop column": "Never used."}')
    assert [risk.is_accepted for risk in migrations.find_risks(library)] == [True]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"drop a column": "Never used."}', "not a kind of risk. Use one of: add not null column, "),
        ('{"drop column": " "}', "without a reason"),
        ('{"drop column": "Never used.", "drop table": "Gone."}', "the migration has no such risk"),
        ('["drop column"]', "must be a dictionary"),
    ],
)
def test_invalid_acceptance_is_refused_with_file_and_line(library: History, value: str, message: str) -> None:
    file = write(library.folder, "0002_drop", "0001_shelf", DANGER, more=f"accepted_risks = {value}")
    with pytest.raises(ConfigurationError, match="accepted_risks") as refused:
        migrations.find_risks(library)
    assert message in str(refused.value)
    assert f"{file}:6\n" in str(refused.value)


def test_migration_that_needs_a_connection_is_unchecked(library: History) -> None:
    write(library.folder, "0002_reads", "0001_shelf", "op.get_bind().exec_driver_sql('SELECT 1').fetchall()")
    assert [found.risk.kind for found in migrations.find_risks(library)] == ["unchecked"]
