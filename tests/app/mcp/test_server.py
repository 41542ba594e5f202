"""The server over standard input and output, with the client of the SDK, and a running development stack."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from tests.cli.command_runner import clean_environment, run_command
from tests.devstack.stack import Stack
from undercroft.cli.mcp import CLIENT_CONFIGURATION, mcp
from undercroft.core.errors import ConfigurationError
from undercroft.core.telemetry.error_file import VARIABLE, record_error
from undercroft.testing import eventually

BROKEN = """
from undercroft.core.http import Router

public = Router(surface="public")

@public.get("/break")
async def fail() -> None:
    raise LookupError("no chair is left for token=abcdefghijk")
"""


@asynccontextmanager
async def connected(folder: Path, **environment: str) -> AsyncIterator[Client]:
    """A client of `undercroft mcp` in a folder."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "undercroft.cli", "mcp"], env=clean_environment(environment), cwd=folder
    )
    async with Client(server) as client:
        yield client


async def call(client: Client, tool: str, **arguments: object) -> tuple[str, bool]:
    """The text of a tool's result, and whether it is an error."""
    result = await client.call_tool(tool, arguments)
    return "".join(each.text for each in result.content if each.type == "text"), bool(result.is_error)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A development stack with an extension whose route fails."""
    folder = tmp_path_factory.mktemp("shop")
    extension = folder / "extensions" / "chairs"
    extension.mkdir(parents=True)
    (extension / "__init__.py").write_text('"""Chairs."""\nfrom undercroft.core import Module\nMODULE = Module()\n')
    (extension / "routes.py").write_text(BROKEN)
    (folder / ".env").write_text("ENABLED_EXTENSIONS=chairs\n")
    stack = Stack(folder)
    try:
        stack.start(wait=False)
        stack.wait_healthy(300)
        yield stack
    finally:
        stack.remove()


async def test_tools_state_facts_of_the_running_stack(stack: Stack) -> None:
    assert stack.get("/api/v1/public/ext/chairs/break") == 500
    async with connected(stack.folder) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools.keys() == {"routes", "explain", "schema", "settings", "errors", "docs", "sql"}
        assert all(tool.description and tool.annotations.read_only_hint for tool in tools.values())

        assert "GET /api/v1/public/ext/chairs/break" in (await call(client, "routes", contains="chairs"))[0]
        described = json.loads((await call(client, "explain", subject="GET /api/v1/public/ext/chairs/break"))[0])
        assert described[0]["location"].startswith("extensions/chairs/routes.py:")
        assert (await call(client, "explain", subject="chair_limit"))[1]

        tables = (await call(client, "schema"))[0]
        assert "users (User):" in tables
        (users,) = json.loads((await call(client, "schema", contains="users"))[0])[:1]
        assert any(line.startswith("password_hash") and line.endswith("secret") for line in users["columns"])

        settings = (await call(client, "settings", contains="database"))[0]
        assert "DATABASE_URL=[redacted] (the running `undercroft dev`)" in settings
        assert stack.state["app_password"] not in settings
        assert stack.state["secret_key"] not in (await call(client, "settings"))[0]

        async def find_error() -> str:
            return (await call(client, "errors", limit=3))[0]

        error = await eventually(find_error, timeout=30)
        assert "no chair is left" in error
        assert "extensions/chairs/routes.py" in error
        assert "abcdefghijk" not in error

        assert "rollback" in (await call(client, "docs", query="test rolled back transaction"))[0]

        rows, failed = await call(client, "sql", query="SELECT email, password_hash FROM users ORDER BY email", limit=1)
        assert not failed, rows
        assert json.loads(rows)["rows"] == [["admin@example.com", "[secret]"]]
        refused, failed = await call(client, "sql", query="DELETE FROM users")
        assert failed
        assert "This tool only reads" in refused


async def test_errors_of_the_code_are_results_of_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extension = tmp_path / "extensions" / "chairs"
    extension.mkdir(parents=True)
    (extension / "__init__.py").write_text("import nothing_like_this\n")
    errors = tmp_path / ".undercroft" / "errors.jsonl"
    errors.parent.mkdir()
    monkeypatch.setenv(VARIABLE, str(errors))
    record_error({"timestamp": "12:00", "level": "error", "event": "earlier"})
    record_error({"timestamp": "12:01", "level": "error", "event": "later", "exception": "Traceback"})
    record_error({"timestamp": "12:02", "level": "info", "event": "fine"})
    monkeypatch.delenv(VARIABLE)
    async with connected(tmp_path, ENABLED_EXTENSIONS="chairs") as client:
        text, failed = await call(client, "routes")
        assert failed
        assert "nothing_like_this" in text
        logged, failed = await call(client, "errors")
        assert logged.index("later") < logged.index("earlier")
        assert "fine" not in logged
        assert not failed
        (extension / "__init__.py").write_text('"""Chairs."""\nfrom undercroft.core import Module\nMODULE = Module()\n')
        assert "GET /api/v1/public/health:" in (await call(client, "routes", contains="health"))[0]


async def test_sql_needs_the_stack(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        text, failed = await call(client, "sql", query="SELECT 1")
    assert failed
    assert "Start `undercroft dev`" in text


@pytest.mark.parametrize("environment", ["test", "production"])
def test_server_is_refused_outside_development(tmp_path: Path, environment: str) -> None:
    result = run_command("mcp", folder=tmp_path, ENVIRONMENT=environment)
    assert (result.code, "only in development" in result.err) == (2, True), result.output


def test_missing_sdk_is_reported_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undercroft.core.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"needs the SDK .* pip install 'undercroft\[mcp\]'"):
        mcp(config=False)


def test_configuration_of_clients_is_printed(tmp_path: Path) -> None:
    result = run_command("mcp", "--config", folder=tmp_path)
    assert json.loads(result.out) == CLIENT_CONFIGURATION
