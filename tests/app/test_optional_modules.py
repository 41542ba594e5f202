"""DISABLED_MODULES: every optional module can be left out, alone and with all others, and nothing of it remains."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.test_extensions import ROUTES, run, write_extension
from tests.cli.command_runner import PRODUCTION
from undercroft.app.discovery import find_modules, list_settings_classes, table_names
from undercroft.app.optional_modules import optional_modules, setting_names, with_dependents
from undercroft.core.settings import env_name

ALL = frozenset(optional_modules())
pytestmark = pytest.mark.requires_module(*ALL)  # these tests import all modules, or disable others
Probe = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with running_probe() as start:
        yield start


@contextmanager
def running_probe() -> Iterator[Probe]:
    """Starts the application without these modules in another process, on an empty database if one is given."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.app.optional_modules_probe"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def start(disabled: frozenset[str], url: str = "") -> dict[str, Any]:
            print(json.dumps({"disabled": sorted(disabled), "url": url}), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield start
        process.stdin.close()


def test_optional_modules_are_read_as_they_are_declared() -> None:
    modules = {module.name: module.declaration for module in find_modules()}
    declared = {name: each.requires for name, each in modules.items() if each.optional}
    assert optional_modules() == dict(sorted(declared.items()))


@pytest.mark.parametrize("name", sorted(ALL))
def test_nothing_of_a_disabled_module_remains(name: str, probe: Probe) -> None:
    found = probe(with_dependents({name}))
    assert (found.get("imported"), found.get("settings")) == ([], [])
    assert found["operations"] > 0


def test_application_runs_on_an_empty_database_without_any_optional_module(
    probe: Probe, empty_database_url: str
) -> None:
    found = probe(ALL, empty_database_url)
    assert (found.get("imported"), found["live"], found["ready"]) == ([], 200, "healthy")
    histories = {f"{name}_alembic_version" for name in ALL}
    tables = frozenset[str]().union(*(table_names(each) for each in find_modules() if each.name in ALL))
    assert not (histories | tables) & set(found["tables"])


@pytest.mark.parametrize(
    ("disabled", "message"),
    [
        ("teams", "without which Undercroft cannot run. Remove it. Optional modules: admin, "),
        ("projetcs", "which is not a module of Undercroft. Did you mean projects?"),
        ("spaceship", "Optional modules: admin, "),
        (
            "mfa,projects",
            "without which admin, console, web cannot run. Disable all of them, DISABLED_MODULES=admin,console,mfa",
        ),
        ("../teams", "DISABLED_MODULES is not valid."),
    ],
)
def test_module_that_cannot_be_disabled_is_refused(tmp_path: Path, disabled: str, message: str) -> None:
    result = run(tmp_path, "routes", enabled="", DISABLED_MODULES=disabled)
    assert (result.code, message in result.err) == (2, True), result.err


def test_names_of_settings_are_read_without_imports() -> None:
    declared = {
        env_name(each, field)
        for each in list_settings_classes()
        if each.__module__.split(".")[2] in ALL
        for field in each.model_fields
    }
    assert declared <= setting_names(ALL)


def test_setting_of_a_disabled_module_in_the_project_file_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.undercroft]\npasskey_domain = "example.com"\n')
    accepted = run(tmp_path, "doctor", enabled="", DISABLED_MODULES="mfa,console,web,admin")
    assert "passkey_domain" not in accepted.output


def test_commands_and_settings_of_a_disabled_module_are_gone(tmp_path: Path) -> None:
    off = {"enabled": "", "DISABLED_MODULES": "mfa,console,web,admin"}
    assert "mfa" in run(tmp_path, "--help", enabled="").out
    assert "mfa" not in run(tmp_path, "--help", **off).out
    assert run(tmp_path, "mfa", "reset", "ada@example.com", **off).code == 2
    assert "# PASSKEY_DOMAIN" in run(tmp_path, "env", enabled="").out
    assert "# PASSKEY_DOMAIN" not in run(tmp_path, "env", **off).out


@pytest.mark.parametrize(
    ("disabled", "settings", "message"),
    [
        ("mfa,console,web,admin", {}, "ADMIN_REQUIRES_MFA, by default true in production, needs the module mfa"),
        (
            "identities,console,web,admin",
            {"AUTH_PROVIDER": "oidc", "OIDC_ISSUER": "https://id.example.com"},
            "AUTH_PROVIDER=oidc",
        ),
    ],
)
def test_setting_that_needs_a_disabled_module_is_refused(
    tmp_path: Path, disabled: str, settings: dict[str, str], message: str
) -> None:
    everything = PRODUCTION | {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"}
    result = run(tmp_path, "doctor", enabled="", DISABLED_MODULES=disabled, **everything, **settings)
    assert message in result.output
    fixed = {"ADMIN_REQUIRES_MFA": "false", "AUTH_PROVIDER": "local"}
    assert message not in run(tmp_path, "doctor", enabled="", DISABLED_MODULES=disabled, **everything | fixed).output


def test_api_without_stored_responses_promises_none(tmp_path: Path) -> None:
    off = {"enabled": "", "DISABLED_MODULES": "idempotency"}
    assert "Idempotency" in run(tmp_path, "openapi", enabled="").out
    document = run(tmp_path, "openapi", **off).out
    assert ('"openapi"' in document, "Idempotency" in document, "IDEMPOTENCY" in document) == (True, False, False)
    explained = run(tmp_path, "explain", "POST /api/v1/app/projects", **off).out
    assert "DISABLED_MODULES contains idempotency" in " ".join(explained.split())


def test_extension_that_requires_a_disabled_module_is_refused(tmp_path: Path) -> None:
    write_extension(tmp_path, {"routes.py": ROUTES}, module='requires=("projects",)')
    assert run(tmp_path, "routes", "rooms").code == 0
    result = run(tmp_path, "routes", "rooms", DISABLED_MODULES="projects")
    assert (result.code, "hotel/__init__.py:1" in result.err) == (1, True)
    assert "The extension hotel requires projects, which is in DISABLED_MODULES." in result.err


def test_extension_that_does_not_declare_an_optional_module_is_refused(tmp_path: Path) -> None:
    write_extension(tmp_path, {"service.py": "\nfrom undercroft.modules.api_keys import ApiKey\n"})
    result = run(tmp_path, "routes")
    assert (result.code, "hotel/service.py:2" in result.err) == (1, True)
    assert 'MODULE = Module(requires=("api_keys",))' in result.err
