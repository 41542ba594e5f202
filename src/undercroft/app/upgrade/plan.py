"""The plan of an upgrade: what differs between the release that last ran on a database and this one.

Making a plan changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from packaging.version import Version

import undercroft
from undercroft.app.api import offline_app
from undercroft.app.deprecated_api import list_api_deprecations
from undercroft.app.deprecated_uses import find_deprecated_uses
from undercroft.app.discovery import list_settings_classes
from undercroft.app.migrations import histories
from undercroft.app.overrides import Override, OverrideStatus, list_overrides
from undercroft.app.registry import get_registry
from undercroft.app.upgrade.releases import BreakingChange, deprecations_of, find_release, releases_after
from undercroft.app.upgrade.setting_changes import SettingChange, compare_settings, default_settings
from undercroft.core.db import migrations
from undercroft.core.db.connect import open_connection
from undercroft.core.db.migrations import PlannedMigration, PreflightCheck, RecordedRelease, Status
from undercroft.core.settings import read_environ

UNRECORDED = "0.1.0"
"""The last release that did not record itself in the database."""
_BACKFILLS = "SELECT name, status, done, total FROM backfills"


class PlannedBackfill(Struct, frozen=True):
    """A backfill that is not complete. A migration in `required_by` waits for it; workers run the others."""

    name: str
    status: str
    done: int
    total: int | None
    required_by: str | None


class ReleaseNote(Struct, frozen=True):
    """A release between the two, with its breaking changes and what it deprecates."""

    version: str
    summary: str
    breaking: tuple[BreakingChange, ...]
    deprecated: tuple[str, ...]


class UpgradePlan(Struct, frozen=True):
    """What an upgrade changes. `from_version` is None for an empty database.

    `sizes` are the bytes of the tables that migrations lock. `deprecated_uses` say where the project uses what a later
    release removes, and `api_deprecations` what the application itself deprecates. `overrides` are the project's
    templates that need attention. `previous_release_runs`: whether the processes of the release before can serve during
    the upgrade and after a rollback of the code. `newer_schema` explains that the database belongs to a later release.
    """

    from_version: str | None
    to_version: str
    migrations: tuple[PlannedMigration, ...]
    sizes: Mapping[str, int]
    checks: tuple[PreflightCheck, ...]
    backfills: tuple[PlannedBackfill, ...]
    settings: tuple[SettingChange, ...]
    deprecated_uses: tuple[str, ...]
    api_deprecations: tuple[str, ...]
    overrides: tuple[Override, ...]
    releases: tuple[ReleaseNote, ...]
    newer_schema: str = ""

    @property
    def previous_release_runs(self) -> bool:
        return all(each.backward_compatible for each in self.migrations)

    @property
    def loses_data(self) -> bool:
        return any(each.lossy_statement is not None for each in self.migrations)

    @property
    def obstacles(self) -> list[str]:
        """What stands in the way of the upgrade, with the fix."""
        found = [check.problem for check in self.checks if check.problem]
        found += [f"{each.path}: {each.message}" for each in self.overrides if each.status is OverrideStatus.INVALID]
        return found + ([self.newer_schema] if self.newer_schema else [])


async def plan_upgrade(url: str) -> UpgradePlan:
    """Compare this release with the database. Raises `ConfigurationError` if it cannot be reached or does not fit."""
    own = histories()
    statuses = await migrations.get_statuses(url, own)
    planned = await migrations.plan_upgrade(url, own)
    recorded = await migrations.read_release(url)
    from_version = _version(statuses, recorded)
    return UpgradePlan(
        from_version,
        undercroft.__version__,
        tuple(planned),
        await migrations.table_sizes(url, planned),
        tuple(await migrations.preflight(url, planned)),
        tuple(await _plan_backfills(url, planned)),
        tuple(_compare_settings(from_version, recorded)),
        tuple(each.message for each in find_deprecated_uses()),
        tuple(each.message for each in list_api_deprecations(offline_app())),
        tuple(each for each in list_overrides() if each.needs_attention),
        tuple(_notes(from_version)),
        _describe_newer_schema(statuses),
    )


def _version(statuses: Sequence[Status], recorded: RecordedRelease | None) -> str | None:
    if recorded is not None:
        return recorded.version
    return UNRECORDED if any(status.current is not None for status in statuses) else None


def _compare_settings(from_version: str | None, recorded: RecordedRelease | None) -> list[SettingChange]:
    """Compare with the recorded settings or, for a release that did not record them, with its built-in ones."""
    registry = get_registry()
    if recorded is not None:
        old, current = recorded.settings, default_settings(registry.settings_classes)
    else:
        release = find_release(from_version) if from_version else None
        old = release.settings if release else {}
        current = default_settings(list_settings_classes((), registry.disabled))
    if not old:
        return []
    disabled = default_settings(list_settings_classes(registry.extensions)).keys() - current.keys()
    kept = {name: value for name, value in old.items() if name not in disabled}
    return compare_settings(kept, current, read_environ())


async def _plan_backfills(url: str, planned: Sequence[PlannedMigration]) -> list[PlannedBackfill]:
    required = {name: each.revision for each in planned for name in each.backfills}
    async with open_connection(url, "migration plan") as connection:
        has_table = await connection.fetchval("SELECT to_regclass('backfills') IS NOT NULL")
        rows = {row["name"]: row for row in await connection.fetch(_BACKFILLS)} if has_table else {}
    names = {*get_registry().backfills.by_name, *required}
    found = [_planned_backfill(name, rows.get(name), required.get(name)) for name in sorted(names)]
    return [each for each in found if each.status != "completed" or each.required_by]


def _planned_backfill(name: str, row: Mapping[str, object] | None, required_by: str | None) -> PlannedBackfill:
    if row is None:
        return PlannedBackfill(name, "queued", 0, None, required_by)
    return PlannedBackfill(**row, required_by=required_by)  # type: ignore[arg-type]


def _notes(from_version: str | None) -> Iterator[ReleaseNote]:
    for each in releases_after(from_version) if from_version else ():
        if Version(each.version) <= Version(undercroft.__version__):
            yield ReleaseNote(each.version, each.summary, each.breaking, deprecations_of(each))


def _describe_newer_schema(statuses: Sequence[Status]) -> str:
    for status in statuses:
        if status.blocking_revision:
            return (
                f"The migration {status.blocking_revision} of {status.history} belongs to a newer release and excludes "
                f"this one. Install the newer release."
            )
    return ""


def steps(plan: UpgradePlan) -> list[str]:
    """Return the steps of the upgrade, in order; none if there is nothing to do."""
    is_done = plan.from_version == plan.to_version and not plan.migrations and not plan.overrides and not plan.obstacles
    return [] if is_done else list(_steps(plan))


def _steps(plan: UpgradePlan) -> Iterator[str]:
    yield from (f"First: {problem}" for problem in plan.obstacles)
    yield from _project_steps(plan)
    if not plan.migrations:
        yield "Run `undercroft upgrade`, which records the release. There is nothing to migrate."
    else:
        yield from _migration_steps(plan)
    yield "Replace the processes: `undercroft serve` and `undercroft worker`."
    if any(each.required_by is None for each in plan.backfills):
        yield "Workers then run the backfills. Watch them with `undercroft backfill list` or in /admin."
    if plan.migrations and plan.from_version is not None:
        yield _rollback_step(plan)


def _project_steps(plan: UpgradePlan) -> Iterator[str]:
    """The steps in the files of the project."""
    for note in plan.releases:
        yield from (f"{change.title} {change.fix}" for change in note.breaking)
    removed = [each.name for each in plan.settings if each.kind == "removed" and each.is_set]
    if removed:
        yield f"Remove the settings that no longer exist: {', '.join(removed)}."
    if plan.deprecated_uses:
        yield "Before the release that removes them: replace the deprecated names and settings that are listed above."
    for override in plan.overrides:
        if override.status is not OverrideStatus.INVALID:
            yield f"{override.path}: {override.message}"


def _migration_steps(plan: UpgradePlan) -> Iterator[str]:
    if plan.loses_data:
        yield 'Back up the database: `pg_dump --format=custom --file=before-upgrade.dump "$DATABASE_URL"`.'
    if not plan.previous_release_runs and plan.from_version is not None:
        yield "Stop all processes of the old release (`serve` and `worker`): it does not run on the new schema."
    yield "Run `undercroft upgrade`."


def _rollback_step(plan: UpgradePlan) -> str:
    if plan.previous_release_runs:
        return f"To roll back, start {plan.from_version} again: it runs on the new schema."
    breaking = next(each for each in plan.migrations if not each.backward_compatible)
    return (
        f"To roll back, stop the processes, run `undercroft migrate downgrade {breaking.history} "
        f"{_before(breaking)}` with this release, and start {plan.from_version} again."
    )


def _before(planned: PlannedMigration) -> str:
    """The revision before a migration, for `migrate downgrade`."""
    found = sorted(path.stem for path in Path(planned.file).parent.glob("[0-9]*.py"))
    position = found.index(planned.revision)
    return found[position - 1] if position else "base"
