"""What `undercroft doctor` finds out: every configured dependency, how long it took, and how to mend it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum

from msgspec import Struct

from undercroft.app import migrations
from undercroft.app.loader import check_settings
from undercroft.app.schema import require_row_security
from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.db import DatabaseSettings
from undercroft.core.db.connect import connected, decide_pooler
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email import EmailSettings, email

OLDEST_POSTGRES = 15
POOLED = "For jobs that start at once, set DATABASE_DIRECT_URL to a URL that bypasses the pooler."
ROLE = """
SELECT current_user AS name, rolsuper AS superuser, rolbypassrls AS bypasses,
       EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user) AS owns
FROM pg_roles WHERE rolname = current_user
"""


class Verdict(StrEnum):
    GOOD = "good"
    WEAK = "weak"
    BAD = "bad"


class Finding(Struct, frozen=True):
    """One thing looked at: `mend` says what to do unless it is good; `ms` is how long looking took."""

    subject: str
    verdict: Verdict
    says: str
    mend: str = ""
    ms: float = 0.0


async def examine() -> AsyncIterator[Finding]:
    """Look at everything, one finding after the other, but not at what rests on something that failed."""
    failed: set[str] = set()
    for subject, look in CHECKS.items():
        missing = failed & RESTS_ON.get(subject, set())
        if missing:
            yield Finding(subject, Verdict.WEAK, f"not looked at: mend {', '.join(missing)} first")
            continue
        finding = await _timed(subject, look)
        if finding.verdict is Verdict.BAD:
            failed.add(subject)
        yield finding


Look = Callable[[], Awaitable[tuple[Verdict, str, str]]]


async def _timed(subject: str, look: Look) -> Finding:
    started = time.perf_counter()
    try:
        verdict, says, mend = await look()
    except ConfigurationError as error:
        verdict, says, mend = Verdict.BAD, str(error), ""
    except Exception as error:
        verdict, says, mend = Verdict.BAD, f"{type(error).__name__}: {error}", MENDS.get(subject, "")
    return Finding(subject, verdict, says, mend, round((time.perf_counter() - started) * 1000, 1))


async def settings() -> tuple[Verdict, str, str]:
    core = load(CoreSettings)
    check_settings(core.environment)
    return Verdict.GOOD, f"{core.environment} at {core.public_url}", ""


async def database() -> tuple[Verdict, str, str]:
    settings = await decide_pooler()
    async with connected(settings.url) as connection:
        version = connection.get_server_version()
    if version.major < OLDEST_POSTGRES:
        return Verdict.BAD, f"PostgreSQL {version.major}", f"Use PostgreSQL {OLDEST_POSTGRES} or newer."
    says = f"PostgreSQL {version.major}.{version.micro}"
    if not settings.has_direct_connection:
        return Verdict.WEAK, f"{says} through a transaction pooler: workers poll for jobs", POOLED
    return Verdict.GOOD, says, ""


async def roles() -> tuple[Verdict, str, str]:
    async with connected(load(DatabaseSettings).url) as connection:
        role = await connection.fetchrow(ROLE)
    assert role is not None
    mend = "`undercroft db roles` prints the SQL for an owner and an application role; then set MIGRATION_DATABASE_URL."
    if role["superuser"] or role["bypasses"]:
        return Verdict.WEAK, f"{role['name']} may do anything, row-level security does not bind it", mend
    if role["owns"]:
        return Verdict.WEAK, f"{role['name']} owns the tables: it could change the schema and alter the audit log", mend
    return Verdict.GOOD, f"{role['name']} may change rows and nothing else", ""


async def schema() -> tuple[Verdict, str, str]:
    warnings = await migrations.require_current(load(DatabaseSettings).url)
    return (Verdict.WEAK, warnings[0], "") if warnings else (Verdict.GOOD, "up to date", "")


async def isolation() -> tuple[Verdict, str, str]:
    await require_row_security()
    if load(DatabaseSettings).tenant_rls:
        return Verdict.GOOD, "row-level security is on: PostgreSQL keeps teams apart too", ""
    says = "row-level security is off: the repositories alone keep teams apart"
    return Verdict.WEAK, says, "For a second wall set TENANT_RLS=on and run `undercroft migrate upgrade`."


async def redis() -> tuple[Verdict, str, str]:
    cache = Cache(load(RedisSettings))
    if not cache:
        return (
            Verdict.WEAK,
            "not configured: limits and caches are kept by each process for itself",
            "Set REDIS_URL when more than one process serves.",
        )
    await cache.ping()
    await cache.close()
    return Verdict.GOOD, "answers", ""


async def mail() -> tuple[Verdict, str, str]:
    await email().provider.check()
    return Verdict.GOOD, f"{load(EmailSettings).provider} is ready", ""


CHECKS: dict[str, Look] = {
    "settings": settings,
    "database": database,
    "roles": roles,
    "schema": schema,
    "isolation": isolation,
    "redis": redis,
    "e-mail": mail,
}

RESTS_ON = {"roles": {"database"}, "schema": {"database"}, "isolation": {"database", "schema"}}

MENDS = {
    "redis": "Is the server running, and is REDIS_URL right? Without Redis, leave REDIS_URL empty.",
    "e-mail": "Check EMAIL_PROVIDER and the SMTP_… settings.",
}
