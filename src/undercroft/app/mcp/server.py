"""The tools of the server."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from undercroft import __version__
from undercroft.app.mcp import documentation, queries
from undercroft.app.mcp.commands import ApplicationMap, run_command
from undercroft.core.errors import ConfigurationError
from undercroft.core.telemetry.error_file import read_errors

INSTRUCTIONS = """\
Facts about this project on Undercroft, a backend on FastAPI, SQLModel and PostgreSQL. Read AGENTS.md first. Begin with
`routes` and `schema`, use `explain` for details with file and line, `docs` for how things are done, and `errors` after
something failed in the running `undercroft dev`."""

Reader = Callable[[Mapping[str, queries.Columns]], Awaitable[str]]
"""Returns the URL of a role that can read only these columns of each table. Raises `ConfigurationError`."""

Contains = Annotated[str, Field(description="Only entries whose name contains this text.")]
_READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)


def create_server(reader: Reader, error_file: Path) -> MCPServer[Any]:
    """Create the server. `reader` gives access to the development database, `error_file` is written by the stack."""
    tools = Tools(reader, error_file)
    server = MCPServer[Any]("undercroft", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR")
    for tool in (tools.routes, tools.explain, tools.schema, tools.settings, tools.errors, tools.docs, tools.sql):
        server.add_tool(tool, annotations=_READ_ONLY, structured_output=False)
    return server


class Tools:
    """The functions of the tools; their docstrings are what an agent reads."""

    def __init__(self, reader: Reader, error_file: Path) -> None:
        self._reader = reader
        self._error_file = error_file
        self._map = ApplicationMap()

    async def routes(self, contains: Contains = "") -> str:
        """List the routes with their methods, who may call them and what they do."""
        return _lines(
            f"{each['name']}: {each['summary']} ({_access(each)})"
            for each in await self._map.get("routes")
            if contains.lower() in each["name"].lower()
        )

    async def explain(
        self,
        subject: Annotated[
            str,
            Field(
                description="A path with or without a method, as in GET /api/v1/app/projects; or the name of a "
                "setting, task, event, hook point, permission, email, page, error, audit action, table or module."
            ),
        ],
    ) -> str:
        """Show everything about one thing: file and line, guards, limits, settings, callers, overrides."""
        return await run_command("explain", "--json", "--", subject)

    async def schema(self, contains: Contains = "") -> str:
        """Show the tables, each with its model and columns. Without `contains`, only their names and purposes.

        A column marked `secret` cannot be read by `sql`.
        """
        tables = await self._map.get("tables")
        found = [each for each in tables if contains.lower() in each["name"].lower()]
        if not contains:
            return _lines(f"{each['name']} ({each['model']}): {each['summary']}" for each in found)
        return json.dumps(found, indent=1, ensure_ascii=False) if found else f"No table's name contains {contains}."

    async def settings(self, contains: Contains = "") -> str:
        """List the settings with their values in force and where these come from. Secrets are hidden."""
        lines = (await run_command("env", "--values")).splitlines()
        return _lines(line for line in lines if contains.lower() in line.partition("=")[0].lower())

    async def errors(
        self, limit: Annotated[int, Field(ge=1, le=50, description="Number of errors, latest first.")] = 5
    ) -> str:
        """Show the last errors of the running `undercroft dev`: requests, jobs, migrations and errors in the code."""
        found = read_errors(self._error_file)[::-1][:limit]
        return "\n\n".join(map(_format_error, found)) or "The development stack has logged no error."

    async def docs(
        self,
        query: Annotated[str, Field(description="A few words, such as: test a job that sends an email")],
        limit: Annotated[int, Field(ge=1, le=20, description="Number of results.")] = 5,
    ) -> str:
        """Search the documentation of Undercroft: its pages and the docstrings of all names that extensions may use."""
        found = documentation.search(query, limit)
        return "\n\n".join(f"## {each.title}\n{each.text}" for each in found) or f"Nothing was found for {query!r}."

    async def sql(
        self,
        query: Annotated[str, Field(description="One SELECT, WITH, VALUES, TABLE, SHOW or EXPLAIN statement.")],
        limit: Annotated[int, Field(ge=1, le=1000, description="Maximum number of rows.")] = 100,
    ) -> str:
        """Read from the development database, as a role that cannot write. Columns with secrets are `[secret]`."""
        try:
            queries.require_reading(query)
            columns = queries.read_columns(await self._map.get("tables"))
            result = await queries.run_query(await self._reader(columns), query, columns, limit)
        except (ConfigurationError, queries.QueryRefused) as error:
            raise ToolError(str(error)) from None
        return json.dumps(result, indent=1, ensure_ascii=False, default=str)


def _access(route: Mapping[str, Any]) -> str:
    return str(route.get("permission") or route.get("role") or route.get("access") or route.get("surface"))


def _lines(lines: Any) -> str:
    return "\n".join(lines) or "Nothing was found."


def _format_error(error: Mapping[str, Any]) -> str:
    head = f"{error.get('timestamp', '')} {error.get('event', '')}"
    rest = {name: value for name, value in error.items() if name not in ("timestamp", "event", "exception")}
    return "\n".join(filter(None, [head, json.dumps(rest, ensure_ascii=False), error.get("exception", "")]))
