"""The checks of `undercroft doctor`: every configured dependency, with the duration and the fix."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from undercroft.app import migrations
from undercroft.app.api import offline_app
from undercroft.app.configuration import check_settings
from undercroft.app.deprecated_api import list_api_deprecations
from undercroft.app.deprecated_uses import find_deprecated_uses
from undercroft.app.overrides import list_overrides
from undercroft.app.registry import get_registry
from undercroft.app.schema import require_row_security
from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.db import DatabaseSettings
from undercroft.core.db.connect import detect_pooler, open_connection
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email import EmailSettings, get_mailer

MIN_POSTGRES_VERSION = 15
POOLER_FIX = "Set DATABASE_DIRECT_URL to a URL that bypasses the pooler, so that jobs start immediately."
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
    """The result of a check. `fix` is what to do if it failed; `duration_ms` is the duration of the check."""

    name: str
    status: CheckStatus
    message: str
    fix: str = ""
    duration_ms: float = 0.0


async def run_checks() -> AsyncIterator[CheckResult]:
    """Run the checks in order and yield their results. Skips checks that depend on a failed one."""
    failed: set[str] = set()
    for name, check in CHECKS.items():
        missing = failed & DEPENDS_ON.get(name, set())
        if missing:
            required = ", ".join(f"`{each}`" for each in sorted(missing))
            yield CheckResult(name, CheckStatus.WARNING, f"skipped: fix {required} first")
            continue
        result = await _run_check(name, check)
        if result.status is CheckStatus.ERROR:
            failed.add(name)
        yield result


Check = Callable[[], Awaitable[tuple[CheckStatus, str, str]]]


async def _run_check(name: str, check: Check) -> CheckResult:
    started = time.perf_counter()
    try:
        status, message, fix = await check()
    except ConfigurationError as error:
        status, message, fix = CheckStatus.ERROR, str(error), ""
    except Exception as error:
        status, message, fix = CheckStatus.ERROR, f"{type(error).__name__}: {error}", FIXES.get(name, "")
    return CheckResult(name, status, message, fix, round((time.perf_counter() - started) * 1000, 1))


async def settings() -> tuple[CheckStatus, str, str]:
    core = load(CoreSettings)
    check_settings(core.environment)
    return CheckStatus.OK, f"{core.environment} at {core.public_url}", ""


async def extensions() -> tuple[CheckStatus, str, str]:
    names = [module.name for module in get_registry().extensions]
    return CheckStatus.OK, ", ".join(names) or "none enabled", ""


async def overrides() -> tuple[CheckStatus, str, str]:
    found = list_overrides()
    changed = [each for each in found if each.needs_attention]
    if changed:
        listed = "\n".join(f"{each.path}: {each.message}" for each in changed)
        return CheckStatus.WARNING, listed, "`undercroft eject --check` repeats this check."
    return CheckStatus.OK, f"{len(found)} copies of originals, all current" if found else "no copies of originals", ""


async def deprecations() -> tuple[CheckStatus, str, str]:
    listed, today = list_api_deprecations(offline_app()), datetime.now(UTC).date()
    overdue = [each for each in listed if each.sunset and each.sunset <= today]
    messages = [each.message for each in find_deprecated_uses()]
    messages += [f"{each.message} The date has passed: remove it, or set a later `sunset`." for each in overdue]
    if messages:
        return CheckStatus.WARNING, "\n".join(messages), ""
    deprecated = f"; deprecated in the API: {len(listed)}, see `undercroft upgrade --plan`" if listed else ""
    return CheckStatus.OK, f"nothing deprecated is used{deprecated}", ""


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
    fix = "Create an owner and an application role with `undercroft db roles`, then set MIGRATION_DATABASE_URL."
    if role["superuser"] or role["bypasses"]:
        return CheckStatus.WARNING, f"{role['name']} bypasses row-level security", fix
    if role["owns"]:
        message = f"{role['name']} owns the tables and could change the schema and the audit log"
        return CheckStatus.WARNING, message, fix
    return CheckStatus.OK, f"{role['name']} can only read and write rows", ""


async def schema() -> tuple[CheckStatus, str, str]:
    warnings = await migrations.require_current(load(DatabaseSettings).url)
    return (CheckStatus.WARNING, warnings[0], "") if warnings else (CheckStatus.OK, "up to date", "")


async def isolation() -> tuple[CheckStatus, str, str]:
    await require_row_security()
    if load(DatabaseSettings).tenant_rls:
        return CheckStatus.OK, "row-level security is on", ""
    message = "row-level security is off: only the application isolates teams"
    return CheckStatus.WARNING, message, "To enable it, set TENANT_RLS=on and run `undercroft migrate upgrade`."


async def redis() -> tuple[CheckStatus, str, str]:
    cache = Cache(load(RedisSettings))
    if not cache:
        message = "not configured: each process has its own rate limits and caches"
        return CheckStatus.WARNING, message, "Set REDIS_URL if you run more than one server process."
    await cache.ping()
    await cache.close()
    return CheckStatus.OK, "reachable", ""


async def mail() -> tuple[CheckStatus, str, str]:
    await get_mailer().provider.check()
    return CheckStatus.OK, f"{load(EmailSettings).provider} is ready", ""


CHECKS: dict[str, Check] = {
    "settings": settings,
    "extensions": extensions,
    "overrides": overrides,
    "deprecated": deprecations,
    "database": database,
    "roles": roles,
    "schema": schema,
    "isolation": isolation,
    "redis": redis,
    "email": mail,
}

DEPENDS_ON = {"roles": {"database"}, "schema": {"database"}, "isolation": {"database", "schema"}}

FIXES = {
    "redis": "Start the server or fix REDIS_URL. To run without Redis, unset REDIS_URL.",
    "email": "Check EMAIL_PROVIDER and the SMTP_… settings.",
}
