"""`undercroft mcp`: facts about the project for coding agents."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from undercroft.core.errors import ConfigurationError
from undercroft.core.extras import require_extra
from undercroft.core.settings import STATE_FOLDER, Environment, read_environ

if TYPE_CHECKING:
    from undercroft.app.mcp.queries import Columns

CLIENT_CONFIGURATION = {"mcpServers": {"undercroft": {"command": "uv", "args": ["run", "undercroft", "mcp"]}}}


def mcp(
    config: Annotated[bool, typer.Option("--config", help="Print the configuration for a client, and exit.")] = False,
) -> None:
    """Serve facts about this project to a coding agent, by the Model Context Protocol on standard input and output.

    Its tools show routes, tables, settings, the last errors of `undercroft dev`, everything that `undercroft explain`
    shows, and the documentation; `sql` reads the development database without its secrets.
    """
    if config:
        typer.echo(json.dumps(CLIENT_CONFIGURATION, indent=2))
        return
    if read_environ().get("environment", Environment.DEVELOPMENT) != Environment.DEVELOPMENT:
        raise ConfigurationError("`undercroft mcp` is available only in development: unset ENVIRONMENT.")
    require_extra("mcp", "mcp", "`undercroft mcp` needs the SDK of the Model Context Protocol")
    from undercroft.app.mcp import create_server
    from undercroft.devstack.state import ERROR_FILE

    create_server(_open_reader, STATE_FOLDER / ERROR_FILE).run()


async def _open_reader(columns: "Mapping[str, Columns]") -> str:
    from undercroft.devstack.reader import ensure_reader

    return await ensure_reader(STATE_FOLDER, {name: each.readable for name, each in columns.items()})
