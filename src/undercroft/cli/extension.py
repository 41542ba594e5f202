"""`undercroft extension`: list, add, enable, disable, check and remove extensions."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from undercroft.core.commands import console
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import EXTENSIONS, available_extensions
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from undercroft.app.extension_check import Grade

app = typer.Typer(help="List, add, enable, disable, check and remove extensions.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the extension.")]


@app.command("list")
def list_all() -> None:
    """List the extensions in the folder `extensions`, the installed ones, and enabled ones that are missing."""
    from rich.table import Table

    from undercroft.app.service_overrides import list_entries

    enabled, available = load(CoreSettings).enabled_extensions, available_extensions()
    table = Table("extension", "state", "source", "overrides", box=None, header_style="bold")
    for name in sorted({*available, *enabled}):
        state = "missing" if name not in available else "enabled" if name in enabled else "disabled"
        packages = available.get(name, [])
        services = [service for package in packages for service, _ in list_entries(_folder(package) / "overrides.py")]
        table.add_row(name, state, " and ".join(map(_describe_source, packages)), ", ".join(services))
    console().print(table if table.row_count else f"There are no extensions in {EXTENSIONS}/ and no installed ones.")


def _folder(package: str) -> Path:
    """The folder of an extension, which is not imported."""
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else Path(package.replace(".", "/"))


def _describe_source(package: str) -> str:
    folder = package.replace(".", "/")
    return f"{folder}/" if Path(folder).is_dir() else f"package {package}"


@app.command()
def add(
    source: Annotated[
        str, typer.Argument(help="What `uv add` takes: a package of an index, a folder, a wheel or a Git URL.")
    ],
) -> None:
    """Install the package of an extension with uv, and enable it. Nothing changes if it is not an extension."""
    from undercroft.app.extension_installation import install_extension

    typer.echo(f"Installing {source} …")
    names = install_extension(source)
    typer.echo(f"Added and enabled {' and '.join(names)}.")
    typer.echo("Create the tables with `undercroft migrate upgrade`, then restart servers and workers.")


@app.command()
def enable(name: Name) -> None:
    """Check an extension and add it to ENABLED_EXTENSIONS in `.env`. Its tables are created by `migrate upgrade`."""
    from undercroft.app.project_lists import ENABLED_EXTENSIONS
    from undercroft.app.registry import load_extension

    _require_known(name)
    enabled = load(CoreSettings).enabled_extensions
    if name in enabled:
        typer.echo(f"{name} is enabled.")
        return
    extension = load_extension(name)
    path = ENABLED_EXTENSIONS.write([*enabled, name])
    typer.echo(f"Enabled {name} in {path.name}.")
    if (extension.folder / "migrations").is_dir():
        typer.echo("Create its tables with `undercroft migrate upgrade`, then restart servers and workers.")
    else:
        typer.echo("Restart servers and workers.")


@app.command()
def disable(name: Name) -> None:
    """Remove an extension from ENABLED_EXTENSIONS in `.env`. Its code is no longer imported; its data stays."""
    _require_known(name)
    if not _disable(name):
        typer.echo(f"{name} is not enabled.")
        return
    typer.echo(f"Disabled {name}. Restart servers and workers. Its data stays in the database; to delete it:")
    typer.echo(f"  undercroft extension remove {name} --drop-data")


def _require_known(name: str) -> None:
    from difflib import get_close_matches

    known = {*available_extensions(), *load(CoreSettings).enabled_extensions}
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"Did you mean {close[0]}?" if close else "See `undercroft extension list`."
        raise ConfigurationError(f"There is no extension {name}. {hint}")


def _disable(name: str) -> bool:
    """Remove the extension from the list. Returns whether it was there."""
    from undercroft.app.project_lists import ENABLED_EXTENSIONS

    enabled = load(CoreSettings).enabled_extensions
    if name not in enabled:
        return False
    ENABLED_EXTENSIONS.write([each for each in enabled if each != name])
    return True


@app.command()
def check(
    name: Name, as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False
) -> None:
    """Check an extension against all rules, one line per rule. It need not be enabled. Exits with 1 if a rule fails.

    Its migrations are applied to a temporary embedded PostgreSQL and reverted.
    """
    import asyncio

    from undercroft.app.extension_check import GradeStatus, grade_migrations, grade_source
    from undercroft.devstack.postgres import dump_schema, temporary_database

    _require_known(name)
    grades = list(grade_source(name))
    if grades[0].status is GradeStatus.OK:
        with temporary_database() as url:
            grades += asyncio.run(grade_migrations(name, url, dump_schema))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(grades)).decode())
    else:
        for grade in grades:
            typer.echo(f"{grade.status.upper():<8}{grade.rule:<30}{_describe_failure(grade)}".rstrip())
    if any(grade.status is GradeStatus.FAIL for grade in grades):
        raise typer.Exit(1)


def _describe_failure(grade: "Grade") -> str:
    return f"{grade.location}: {grade.message}" if grade.location else grade.message


@app.command()
def remove(
    name: Name,
    drop_data: Annotated[
        bool, typer.Option("--drop-data", help="Also delete its tables, jobs, schedules and permissions.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Disable an extension, and with `--drop-data` delete everything of it from the database. Its code stays.

    The data can also be deleted after the code: migrations are then reverted by the SQL that was stored when they were
    applied. The audit log is not changed.
    """
    from undercroft.app.extension_removal import explain_uninstallation

    if drop_data:
        _drop_data(name, yes)
    else:
        disable(name)
    if advice := explain_uninstallation(name):
        typer.echo(advice)


def _drop_data(name: str, yes: bool) -> None:
    import asyncio

    from undercroft.app.extension_removal import list_permissions_of, remove_data, require_removable
    from undercroft.cli._database import migration_url, with_database
    from undercroft.cli._stack import attach_to_project

    attach_to_project()
    url = migration_url()
    asyncio.run(require_removable(url, name))
    if not yes:
        typer.confirm(f"Delete all tables and jobs of {name}? Stop the servers that still have it first.", abort=True)
    permissions = list_permissions_of(name)
    was_enabled = _disable(name)
    removed = with_database(lambda database: remove_data(database, url, name, permissions), as_owner=True)
    typer.echo(
        f"Reverted {_count(len(removed.migrations), 'migration')} of {name} and deleted "
        f"{_count(removed.jobs, 'job')}.{' It is now disabled.' if was_enabled else ''}"
    )
    if permissions is None:
        typer.echo("Its code could not be loaded, so grants of its permissions in custom roles and API keys remain.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
