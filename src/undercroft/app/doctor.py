"""What `undercroft doctor` finds out: every configured dependency, how long it took, and how to mend it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum

from msgspec import Struct

from undercroft.app import migrations
from undercroft.app.discovery import check_settings
from undercroft.app.schema import require_row_security
from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.db import DatabaseSettings
from undercroft.core.db.connect import detect_pooler, open_connection
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email import EmailSettings, get_mailer

MIN_POSTGRES_VERSION = 15
POOLER_FIX = "For jobs that start at once, set DATABASE_DIRECT_URL to a URL that bypasses the pooler."
ROLE_QUERY = """
SELECT current_user AS name, rolsuper AS superuser, rolbypassrls AS bypasses,
       EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user) AS owns
FROM pg_roles WHERE rolname = current_user
"""


class CheckStatus(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class CheckResult(Struct, frozen=True):
    """One thing looked at: `fix` says what to do unless it is ok; `duration_ms` is how long looking took."""

    name: str
    status: CheckStatus
    message: str
    fix: str = ""
    duration_ms: float = 0.0


async def run_checks() -> AsyncIterator[CheckResult]:
    """Look at everything, one finding after the other, but not at what rests on something that failed."""
    failed: set[str] = set()
    for name, look in CHECKS.items():
        missing = failed & DEPENDS_ON.get(name, set())
        if missing:
            yield CheckResult(name, CheckStatus.WARNING, f"not looked at: mend {', '.join(missing)} first")
            continue
        finding = await _run_check(name, look)
        if finding.status is CheckStatus.ERROR:
            failed.add(name)
        yield finding


Check = Callable[[], Awaitable[tuple[CheckStatus, str, str]]]


async def _run_check(name: str, look: Check) -> CheckResult:
    started = time.perf_counter()
    try:
        status, message, fix = await look()
    except ConfigurationError as error:
        status, message, fix = CheckStatus.ERROR, str(error), ""
    except Exception as error:
        status, message, fix = CheckStatus.ERROR, f"{type(error).__name__}: {error}", FIXES.get(name, "")
    return CheckResult(name, status, message, fix, round((time.perf_counter() - started) * 1000, 1))


async def settings() -> tuple[CheckStatus, str, str]:
    core = load(CoreSettings)
    check_settings(core.environment)
    return CheckStatus.OK, f"{core.environment} at {core.public_url}", ""


async def database() -> tuple[CheckStatus, str, str]:
    settings = await detect_pooler()
    async with open_connection(settings.url) as connection:
        version = connection.get_server_version()
    if version.major < MIN_POSTGRES_VERSION:
        return CheckStatus.ERROR, f"PostgreSQL {version.major}", f"Use PostgreSQL {MIN_POSTGRES_VERSION} or newer."
    message = f"PostgreSQL {version.major}.{version.micro}"
    if not settings.has_direct_connection:
        return CheckStatus.WARNING, f"{message} through a transaction pooler: workers poll for jobs", POOLER_FIX
    return CheckStatus.OK, message, ""


async def roles() -> tuple[CheckStatus, str, str]:
    async with open_connection(load(DatabaseSettings).url) as connection:
        role = await connection.fetchrow(ROLE_QUERY)
    assert role is not None
    fix = "`undercroft db roles` prints the SQL for an owner and an application role; then set MIGRATION_DATABASE_URL."
    if role["superuser"] or role["bypasses"]:
        return CheckStatus.WARNING, f"{role['name']} may do anything, row-level security does not bind it", fix
    if role["owns"]:
        return (
            CheckStatus.WARNING,
            f"{role['name']} owns the tables: it could change the schema and alter the audit log",
            fix,
        )
    return CheckStatus.OK, f"{role['name']} may change rows and nothing else", ""


async def schema() -> tuple[CheckStatus, str, str]:
    warnings = await migrations.require_current(load(DatabaseSettings).url)
    return (CheckStatus.WARNING, warnings[0], "") if warnings else (CheckStatus.OK, "up to date", "")


async def isolation() -> tuple[CheckStatus, str, str]:
    await require_row_security()
    if load(DatabaseSettings).tenant_rls:
        return CheckStatus.OK, "row-level security is on: PostgreSQL keeps teams apart too", ""
    message = "row-level security is off: the repositories alone keep teams apart"
    return CheckStatus.WARNING, message, "For a second wall set TENANT_RLS=on and run `undercroft migrate upgrade`."


async def redis() -> tuple[CheckStatus, str, str]:
    cache = Cache(load(RedisSettings))
    if not cache:
        return (
            CheckStatus.WARNING,
            "not configured: limits and caches are kept by each process for itself",
            "Set REDIS_URL when more than one process serves.",
        )
    await cache.ping()
    await cache.close()
    return CheckStatus.OK, "answers", ""


async def mail() -> tuple[CheckStatus, str, str]:
    await get_mailer().provider.check()
    return CheckStatus.OK, f"{load(EmailSettings).provider} is ready", ""


CHECKS: dict[str, Check] = {
    "settings": settings,
    "database": database,
    "roles": roles,
    "schema": schema,
    "isolation": isolation,
    "redis": redis,
    "e-mail": mail,
}

DEPENDS_ON = {"roles": {"database"}, "schema": {"database"}, "isolation": {"database", "schema"}}

FIXES = {
    "redis": "Is the server running, and is REDIS_URL right? Without Redis, leave REDIS_URL empty.",
    "e-mail": "Check EMAIL_PROVIDER and the SMTP_… settings.",
}
