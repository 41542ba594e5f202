"""Row-level security, generated for every table with a `TenantOwned` model: it shows one team's rows.

A transaction that sets no team sees no rows and writes none; the owner of the tables, who migrates, is exempt. Each
policy's comment contains a digest of its definition, so that a second run changes nothing and takes no lock.
"""

from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import unquote, urlsplit

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from undercroft.core.db.connect import open_connection
from undercroft.core.db.tenancy import ALL_TENANTS, TENANT_SETTING
from undercroft.core.errors import ConfigurationError

LOCK_KEY = 0x756E646572726C73  # "underrls"
POLICY_PATTERN = "undercroft_%"
TEAM, ADMIN = "undercroft_team", "undercroft_admin"
# Subqueries without a reference to the row are evaluated once per statement, not once per row.
_CURRENT_TEAM = f"(SELECT NULLIF(NULLIF(current_setting('{TENANT_SETTING}', true), ''), '{ALL_TENANTS.value}')::uuid)"
_ALL_TENANTS = f"(SELECT current_setting('{TENANT_SETTING}', true) = '{ALL_TENANTS.value}')"
_TEAM_CONDITION = f"team_id = {_CURRENT_TEAM} OR {_ALL_TENANTS}"

_POLICIES_SQL = """
SELECT c.relname AS name, c.relrowsecurity AS enabled, p.names, p.digests
FROM pg_class c CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(polname::text ORDER BY oid), '{}') AS names,
           coalesce(array_agg(obj_description(oid, 'pg_policy') ORDER BY oid), '{}') AS digests
    FROM pg_policy WHERE polrelid = c.oid AND polname LIKE $2
) p
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
AND (c.relname = ANY($1) OR cardinality(p.names) > 0)
ORDER BY c.relname
"""
_ROLE_SQL = """
SELECT current_user AS name, rolsuper AS superuser, rolbypassrls AS bypasses, EXISTS (
    SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1)
    AND pg_has_role(c.relowner, 'USAGE')
) AS owns
FROM pg_roles WHERE rolname = current_user
"""


class Policy(Struct, frozen=True):
    """One policy of one table for `role`, for all roles if empty."""

    name: str
    table: str
    condition: str
    role: str = ""

    @property
    def sql(self) -> str:
        to = f" TO {_quote_ident(self.role)}" if self.role else ""
        on = f"{_quote_ident(self.name)} ON {_quote_ident(self.table)}"
        return f"CREATE POLICY {on}{to} USING ({self.condition}) WITH CHECK ({self.condition})"

    @property
    def digest(self) -> str:
        return sha256(self.sql.encode()).hexdigest()[:16]

    def statements(self) -> Iterator[str]:
        """Create or replace the policy."""
        on = f"{_quote_ident(self.name)} ON {_quote_ident(self.table)}"
        yield f"DROP POLICY IF EXISTS {on}"
        yield self.sql
        yield f"COMMENT ON POLICY {on} IS '{self.digest}'"


class RowSecurityConfig(Struct, frozen=True):
    """The desired state: `tables` with a team's rows; `admin_role` sees and writes all of them.

    Without an `admin_role`, existing policies of one are not dropped: not every process knows the role.
    """

    enabled: bool
    tables: tuple[str, ...]
    admin_role: str = ""

    def policies(self, table: str) -> list[Policy]:
        if not self.enabled or table not in self.tables:
            return []
        teams = Policy(TEAM, table, _TEAM_CONDITION)
        return [teams, Policy(ADMIN, table, "true", self.admin_role)] if self.admin_role else [teams]


def statements(wanted: RowSecurityConfig) -> Iterator[str]:
    """All statements for tables in an unknown state."""
    for table in wanted.tables:
        for policy in wanted.policies(table):
            yield from policy.statements()
        if not wanted.enabled:
            yield from (f"DROP POLICY IF EXISTS {name} ON {_quote_ident(table)}" for name in (TEAM, ADMIN))
        yield f"ALTER TABLE {_quote_ident(table)} {'ENABLE' if wanted.enabled else 'DISABLE'} ROW LEVEL SECURITY"


async def sync(url: str, wanted: RowSecurityConfig) -> list[str]:
    """As the owner, bring the policies to the desired state; returns the changed tables.

    Safe to run concurrently. Raises `ConfigurationError` if the admin role does not exist.
    """
    async with open_connection(url, "migrate") as connection, connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '10s'")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK_KEY)
        await _require_role(connection, wanted)
        changed = []
        for row in await connection.fetch(_POLICIES_SQL, wanted.tables, POLICY_PATTERN):
            todo = list(_sync_statements(row, wanted))
            for statement in todo:
                await connection.execute(statement)
            changed += [row["name"]] if todo else []
        return changed


async def is_synced(connection: asyncpg.Connection, wanted: RowSecurityConfig) -> bool:
    """Whether the policies are in the desired state, regardless of which roles they apply to."""
    rows = await connection.fetch(_POLICIES_SQL, wanted.tables, POLICY_PATTERN)
    return not any(True for row in rows for _ in _sync_statements(row, wanted))


async def require(url: str, wanted: RowSecurityConfig) -> None:
    """As the application's role, raise `ConfigurationError` if the database does not match TENANT_RLS.

    The admin policies are not checked: they do not affect the application.
    """
    async with open_connection(url) as connection:
        role = await connection.fetchrow(_ROLE_SQL, wanted.tables)
        if wanted.enabled and (error := rls_bypass_reason(role)):
            raise ConfigurationError(
                f"TENANT_RLS is on, but {error}: row-level security does not apply to it.\n"
                "`undercroft db roles` prints the SQL for an owner and an application role. Then set DATABASE_URL to "
                "the application's role and MIGRATION_DATABASE_URL to the owner, or set TENANT_RLS=off."
            )
        if not await is_synced(connection, replace(wanted, admin_role="")):
            state = "on, but policies are missing or outdated" if wanted.enabled else "off, but tables have policies"
            raise ConfigurationError(f"TENANT_RLS is {state}.\nRun `undercroft migrate upgrade`.")


def rls_bypass_reason(role: asyncpg.Record) -> str:
    """Why row-level security does not apply to this role; empty if it does."""
    if role["superuser"]:
        return f"the role {role['name']} of DATABASE_URL is a superuser"
    if role["bypasses"]:
        return f"the role {role['name']} of DATABASE_URL has BYPASSRLS"
    return f"the role {role['name']} of DATABASE_URL owns the tables" if role["owns"] else ""


def role_from_url(url: str) -> str:
    """The role name in a URL."""
    return unquote(urlsplit(url).username or "")


def _sync_statements(row: asyncpg.Record, wanted: RowSecurityConfig) -> Iterator[str]:
    """The statements that bring this table to the desired state; empty if it is."""
    policies = wanted.policies(row["name"])
    existing = dict(zip(row["names"], row["digests"], strict=True))
    wanted_names = {policy.name for policy in policies} | ({ADMIN} if policies and not wanted.admin_role else set())
    for name in sorted(existing.keys() - wanted_names):
        yield f"DROP POLICY {_quote_ident(name)} ON {_quote_ident(row['name'])}"
    for policy in policies:
        if existing.get(policy.name) != policy.digest:
            yield from policy.statements()
    if policies and not row["enabled"]:
        yield f"ALTER TABLE {_quote_ident(row['name'])} ENABLE ROW LEVEL SECURITY"
    if existing and not policies:
        yield f"ALTER TABLE {_quote_ident(row['name'])} DISABLE ROW LEVEL SECURITY"


async def _require_role(connection: asyncpg.Connection, wanted: RowSecurityConfig) -> None:
    role = wanted.admin_role
    if wanted.enabled and role and not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        raise ConfigurationError(f"The role {role} of ADMIN_DATABASE_URL does not exist on this server.")


def _quote_ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
