"""`undercroft settings`: read and change settings without the API, for example if one has locked administrators out."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undercroft.cli._database import with_database
from undercroft.cli._stack import disabled_modules
from undercroft.core.commands import console
from undercroft.core.errors import AppError, ConfigurationError

if TYPE_CHECKING:
    from undercroft.core.db import Database

ATTACHES = True

app = typer.Typer(help="List, set and reset settings that change at runtime.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the setting, such as CORS_ORIGINS.")]


@app.callback()
def _require_module() -> None:
    if "system_settings" in disabled_modules():
        raise ConfigurationError("Settings cannot change at runtime: DISABLED_MODULES contains system_settings.")


@app.command("list")
def list_settings() -> None:
    """List all settings that can change at runtime, with the values in force and who changed them."""
    from rich.table import Table

    table = Table("setting", "value", "source", box=None, header_style="bold")
    for row in with_database(_list):
        table.add_row(*row)
    console().print(table)


@app.command("set")
def set_setting(name: Name, value: Annotated[str, typer.Argument(help="Value, in the notation of .env.")]) -> None:
    """Set a value, which takes effect on every process within a second."""
    with_database(lambda database: _change(database, name, value))
    typer.echo(f"{name.upper()} is set. Every process uses the new value within a second.")


@app.command("reset")
def reset_setting(name: Name) -> None:
    """Return to the value of the environment, on every process within a second."""
    with_database(lambda database: _change(database, name, None))
    typer.echo(f"{name.upper()} is reset. Every process uses the value of the environment within a second.")


async def _list(database: "Database") -> list[tuple[str, str, str]]:
    from undercroft.modules.system_settings import SettingService, list_changes

    changes = await list_changes(database)
    async with database.read_session() as session:
        found = await SettingService(session).list()
    return [
        (name, _format(each.value), changes[name][1] if name in changes else "environment or default")
        for each in found
        for name in (each.declared.name,)
    ]


async def _change(database: "Database", name: str, value: str | None) -> None:
    """Raises `ConfigurationError` for an unknown setting and an invalid value."""
    from undercroft.modules.system_settings import SettingNotFound, SettingService

    try:
        async with database.session() as session:
            service = SettingService(session)
            await (service.reset(name) if value is None else service.change(name, value))
    except SettingNotFound:
        raise ConfigurationError(_explain_unknown(name)) from None
    except AppError as error:
        raise ConfigurationError(error.text) from None


def _explain_unknown(name: str) -> str:
    from difflib import get_close_matches

    from undercroft.core.runtime_settings import runtime_settings

    close = get_close_matches(name.upper(), runtime_settings(), 1)
    hint = f"Did you mean {close[0]}?" if close else "`undercroft settings list` lists those that can."
    return f"{name} is not a setting that can change at runtime. {hint}"


def _format(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
