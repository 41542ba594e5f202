"""`undercroft upgrade`: upgrade the database to the installed release, and show beforehand what that changes."""

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undercroft.cli._database import migration_url
from undercroft.core.commands import console
from undercroft.core.errors import ConfigurationError

if TYPE_CHECKING:
    from undercroft.app.upgrade.plan import UpgradePlan

ATTACHES = True


def upgrade(
    plan: Annotated[bool, typer.Option("--plan", help="Only show what the upgrade changes, and its steps.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON; with --plan.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before data can be lost or the old release stops working.")
    ] = False,
) -> None:
    """Upgrade the database to the installed release: check, migrate, and print what to restart.

    `--plan` shows the migrations with their locks and data loss, backfills, changed settings, overridden templates
    whose originals changed, breaking changes, and whether the old release runs on the new schema. It changes nothing,
    and exits with 1 if something stands in the way.
    """
    from undercroft.app.upgrade.plan import plan_upgrade
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.db.connect import wait_for_database
    from undercroft.core.settings import load

    if as_json and not plan:
        raise typer.BadParameter("Use --json together with --plan.")
    url = migration_url()
    asyncio.run(wait_for_database(url, load(DatabaseSettings).db_start_timeout))
    found = asyncio.run(plan_upgrade(url))
    if not plan:
        _upgrade(url, found, yes=yes)
        return
    typer.echo(_to_json(found) if as_json else "\n".join(_describe(found)))
    if found.obstacles:
        raise typer.Exit(1)


def _upgrade(url: str, found: "UpgradePlan", *, yes: bool) -> None:
    from undercroft.app.migrations import upgrade_all

    if found.obstacles:
        problems = "\n".join(f"  {each}" for each in found.obstacles)
        raise ConfigurationError(f"Something stands in the way of the upgrade. Nothing was changed.\n{problems}")
    if not yes:
        _confirm(found)
    out = console()
    ran = asyncio.run(upgrade_all(url, report=lambda line: out.print(f"  {line}", markup=False)))
    out.print(f"Applied {len(ran)} migration{'s' * (len(ran) != 1)}." if ran else "The schema is up to date.")
    out.print(f"The database is at Undercroft {found.to_version}.", markup=False)
    if found.from_version not in (None, found.to_version) or ran:
        out.print("Now replace the processes: `undercroft serve` and `undercroft worker`.", markup=False)


def _confirm(found: "UpgradePlan") -> None:
    """Ask, or require `--yes` without a terminal, if the upgrade cannot be undone by starting the old release."""
    reasons = ["it can lose data"] * found.loses_data
    if not found.previous_release_runs and found.from_version is not None:
        reasons.append("the old release does not run on the new schema")
    if not reasons:
        return
    text = f"Read `undercroft upgrade --plan` first: {' and '.join(reasons)}."
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{text} Then run `undercroft upgrade --yes`.")
    typer.confirm(f"{text} Continue?", abort=True)


def _describe(plan: "UpgradePlan") -> Iterator[str]:
    from undercroft.app.upgrade.plan import steps
    from undercroft.cli.migrate import describe_check

    source = f"Undercroft {plan.from_version}" if plan.from_version else "an empty database"
    yield f"From {source} to Undercroft {plan.to_version}"
    yield from _section("Migrations", _describe_migrations(plan))
    yield from _section("Checks", map(describe_check, plan.checks))
    yield from _section("Backfills", _describe_backfills(plan))
    yield from _section("Settings", (f"{each}{_setting_note(each)}" for each in plan.settings))
    yield from _section("Overridden templates", (f"{each.path}: {each.message}" for each in plan.overrides))
    changes = (f"{note.version}: {each.title} {each.fix}" for note in plan.releases for each in note.breaking)
    yield from _section("Breaking changes", changes)
    deprecated = [f"{note.version}: {each}" for note in plan.releases for each in note.deprecated]
    yield from _section("Deprecated names and settings in this project", plan.deprecated_uses)
    yield from _section("Deprecated", deprecated)
    yield from _section("Deprecated routes, parameters and fields of this API", plan.api_deprecations)
    runs = "runs on the new schema" if plan.previous_release_runs else "does not run on the new schema"
    if plan.from_version is not None and plan.migrations:
        yield from _section("Old release", [f"{plan.from_version} {runs}"])
    found = [f"{number}. {step}" for number, step in enumerate(steps(plan), 1)]
    yield from _section("Steps", found or ["Nothing to do."])


def _section(title: str, lines: Any) -> Iterator[str]:
    found = list(lines)
    if found:
        yield f"\n{title}"
        yield from (f"  {line}" for line in found)


def _describe_migrations(plan: "UpgradePlan") -> Iterator[str]:
    from undercroft.cli.migrate import describe_migration

    for each in plan.migrations:
        yield f"{each.history} {each.revision}"
        yield from (f"  {name:<11}{value}" for name, value in describe_migration(each, plan.sizes))
    if not plan.migrations:
        yield "none"


def _describe_backfills(plan: "UpgradePlan") -> Iterator[str]:
    for each in plan.backfills:
        when = f"completed before {each.required_by}" if each.required_by else "run by workers after the upgrade"
        rows = f", {each.done:,} of {each.total:,} rows" if each.total is not None else ""
        yield f"{each.name}: {each.status}{rows}; {when}"


def _setting_note(change: Any) -> str:
    if change.kind == "removed" and change.is_set:
        return ". This project sets it: remove it."
    if change.kind == "deprecated" and change.is_set:
        return ". This project sets it."
    if change.kind == "default changed":
        return ". This project sets it." if change.is_set else ". This project uses the default."
    return ""


def _to_json(plan: "UpgradePlan") -> str:
    from msgspec import json, to_builtins

    from undercroft.app.upgrade.plan import steps

    values = to_builtins(plan, enc_hook=str)
    values |= {
        "previous_release_runs": plan.previous_release_runs,
        "loses_data": plan.loses_data,
        "obstacles": plan.obstacles,
        "steps": steps(plan),
    }
    return json.format(json.encode(values), indent=2).decode()
