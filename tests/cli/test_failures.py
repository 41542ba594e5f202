"""Errors end commands with one clear message, the right exit code and no traceback."""

import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.command_runner import PRODUCTION, clean_environment, run_command

UNREACHABLE_URL = {
    "DATABASE_URL": "postgresql://me:hunter2hunter2@127.0.0.1:1/none",
    "DB_START_TIMEOUT": "0",
    "DISABLED_MODULES": "",
}
UNSET = "DATABASE_URL is not set"
UNREACHABLE = "The database at 127.0.0.1:1 cannot be used: the connection was refused."


@dataclass(frozen=True)
class FailureCase:
    """A command line that must fail, and the expected parts of its output."""

    words: str
    expected: tuple[str, ...]
    code: int = 2
    environment: dict[str, str] = field(default_factory=dict)
    env_file: bytes | None = None

    def __str__(self) -> str:
        return f"{self.words or 'nothing'}-{self.expected[0][:30]}"


USAGE_ERRORS = [
    FailureCase("nonsense", ("No such command 'nonsense'", "undercroft --help")),
    FailureCase("_run", ("No such command '_run'",)),
    FailureCase("--nonsense", ("No such option: --nonsense",)),
    FailureCase("serve --port x", ("'--port'", "valid integer", "undercroft serve --help")),
    FailureCase("serve --port 70000", ("'--port'", "65535")),
    FailureCase("serve nowhere", ("'nowhere' is not one of 'all', 'public', 'admin'",)),
    FailureCase("dev --port 0", ("'--port'", "greater than or equal to 1")),
    FailureCase("dev --port 51987 --host no.invalid", ("Cannot listen on no.invalid, port 51987", "--host")),
    FailureCase("dev --port 51987 --host 192.0.2.1", ("Cannot listen on 192.0.2.1, port 51987", "--host")),
    FailureCase("worker --concurrency 0", ("'--concurrency'",)),
    FailureCase("migrate sideways", ("No such command 'sideways'", "undercroft migrate --help")),
    FailureCase("migrate new", ("Missing argument 'message'",)),
    FailureCase("migrate new x --module nowhere", ("no history called nowhere", "core", "projects")),
    FailureCase("migrate downgrade nowhere base", ("no history called nowhere",)),
    FailureCase("db url nowhere", ("'nowhere' is not one of 'app', 'owner', 'admin'",)),
    FailureCase("user create-admin nonsense", ("nonsense is not a valid email address",)),
    FailureCase("user set-password a@example.com", ("--password-stdin",)),
    FailureCase("env --write --check", ("cannot be combined",)),
    FailureCase("seed more", ("unexpected extra argument",)),
]
NO_DATABASE = [
    *(
        FailureCase(words, (UNSET, "undercroft dev"))
        for words in (
            "seed",
            "shell",
            "keys list",
            "keys rotate",
            "user create-admin a@example.com",
            "migrate upgrade",
            "migrate status",
            "migrate new x",
            "migrate downgrade core base --yes",
        )
    ),
    FailureCase("serve", (UNSET, "invalid for production"), environment=PRODUCTION),
    FailureCase("worker", (UNSET,), environment=PRODUCTION),
    FailureCase("doctor", (UNSET, "skipped: fix `database` first"), 1, PRODUCTION),
]
UNREACHABLE_DATABASE = [
    *(
        FailureCase(words, (UNREACHABLE,), environment=UNREACHABLE_URL)
        for words in (
            "seed",
            "keys list",
            "user create-admin a@example.com",
            "migrate upgrade",
            "migrate status",
            "migrate check",
            "dev --port 51987",
        )
    ),
    FailureCase("serve", (UNREACHABLE,), environment=PRODUCTION | UNREACHABLE_URL | {"PORT": "51988"}),
    FailureCase("worker", (UNREACHABLE,), environment=PRODUCTION | UNREACHABLE_URL),
    FailureCase("doctor", (UNREACHABLE,), 1, PRODUCTION | UNREACHABLE_URL),
    FailureCase(
        "migrate status", ("host name cannot be resolved",), environment={"DATABASE_URL": "postgresql://a@no.invalid/x"}
    ),
    FailureCase(
        "migrate status",
        ("The database at /nowhere:5432 cannot be used",),
        environment={"DATABASE_URL": "postgresql:///x?host=/nowhere"},
    ),
    FailureCase("seed", ("DATABASE_URL must look like postgresql://",), environment={"DATABASE_URL": "mysql://a@b/c"}),
]
CORRUPT = [
    *(
        FailureCase(words, (".env line 2 is not of the form NAME=value",), env_file=b"APP_NAME=x\nnot a setting\n")
        for words in ("serve", "worker", "dev", "seed", "routes", "openapi", "migrate status", "db status")
    ),
    FailureCase("doctor", (".env line 1",), 1, env_file=b"not a setting\n"),
    FailureCase("routes", (".env cannot be read",), env_file=b"\xff\xfe\x00"),
    FailureCase("migrate status", ("DB_POOL_SIZE must be a whole number",), env_file=b"DB_POOL_SIZE=many\n"),
    FailureCase("routes", ("SECRET_KEYS must be a JSON list",), env_file=b"SECRET_KEYS=abc\n"),
    FailureCase(
        "serve", ("DB_POOL_SIZE", "SMTP_USERNAME and SMTP_PASSWORD"), env_file=b"DB_POOL_SIZE=many\nSMTP_USERNAME=x\n"
    ),
]
OTHER_FAILURES = [
    FailureCase("db stop", ("`undercroft dev` is not running in this folder",)),
    FailureCase("db start", ("`undercroft dev` is not running in this folder",)),
    FailureCase("db status", ("`undercroft dev` is not running",), 1),
    FailureCase("db url", ("no embedded database yet",)),
    FailureCase("db reset", ("Nothing was changed",), 1),
    FailureCase("db reset --yes", ("DATABASE_URL is set", "embedded"), environment=UNREACHABLE_URL),
    FailureCase("env --check", (".env.example is outdated", "undercroft env --write"), 1),
    FailureCase("routes /nothing/here", ("/nothing/here",), 1),
    FailureCase("openapi --out missing/api.json", ("missing/api.json: No such file or directory.",), 1),
    FailureCase("openapi --out .", (".: Is a directory.",), 1),
]
FAILURES = [*USAGE_ERRORS, *NO_DATABASE, *UNREACHABLE_DATABASE, *CORRUPT, *OTHER_FAILURES]


@pytest.mark.parametrize("case", FAILURES, ids=str)
def test_failure_prints_one_clear_message(case: FailureCase, tmp_path: Path) -> None:
    if case.env_file is not None:
        (tmp_path / ".env").write_bytes(case.env_file)
    seen = run_command(*case.words.split(), folder=tmp_path, **case.environment)
    assert seen.code == case.code, seen.output
    assert [words for words in case.expected if words not in seen.output] == [], seen.output
    for never in ("Traceback", "most likely ours", "\x1b", "hunter2", "Value error"):
        assert never not in seen.output


@pytest.mark.parametrize(("url", "code"), [(UNREACHABLE_URL["DATABASE_URL"], 75), ("mysql://a@b/c", 2)])
def test_supervised_program_exits_with_75_when_a_server_is_unavailable(url: str, code: int, tmp_path: Path) -> None:
    supervised = clean_environment(
        {"DATABASE_URL": url, "DB_START_TIMEOUT": "0", "UNDERCROFT_SUPERVISED": "1", "ENVIRONMENT": "development"}
    )
    command = [sys.executable, "-m", "undercroft.cli", "worker"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=supervised, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr is not None
        output = worker.stderr.read()
    assert (worker.returncode, "DATABASE_URL" in output) == (code, True), output


def test_weak_production_settings_are_reported_together(tmp_path: Path) -> None:
    weak = {"SECRET_KEY": "short", "DEMO_PASSWORD": "hunter2hunter2", "EMAIL_PROVIDER": "mailbox"}
    seen = run_command("serve", folder=tmp_path, **weak)
    assert seen.code == 2
    for setting in ("SECRET_KEY", "PUBLIC_URL", "DATABASE_URL", "EMAIL_PROVIDER", "EMAIL_FROM", "DEMO_PASSWORD"):
        assert f"- {setting}" in seen.err
    assert "hunter2" not in seen.output


@pytest.mark.parametrize(
    "weak",
    ["0123456789" * 4, "abcdefghijklmnopqrstuvwxyz0123456789", "your-secret-key-goes-here-1234567890", "CHANGEME-" * 5],
)
def test_weak_secret_key_is_refused_in_production(weak: str, tmp_path: Path) -> None:
    seen = run_command("serve", folder=tmp_path, **PRODUCTION | UNREACHABLE_URL | {"SECRET_KEY": weak})
    assert seen.code == 2
    assert "SECRET_KEY is too weak" in seen.err
    assert weak not in seen.output


def test_port_in_use_is_reported_with_the_fix(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        serving = run_command("serve", "--port", port, folder=tmp_path, **PRODUCTION, **UNREACHABLE_URL)
        developing = run_command("dev", "--port", port, folder=tmp_path)
    assert (serving.code, developing.code) == (2, 2)
    assert f"port {port}" in serving.err
    assert "--port" in serving.err
    assert "make dev PORT=" in developing.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_command_works_with_a_closed_standard_stream(closed: str, tmp_path: Path) -> None:
    reading = f"user create-admin a@example.com --password-stdin {closed}"
    for words, code in ((f"routes {closed}", 0), (f"db reset {closed}", 1), (reading, 2)):
        done = _in_shell(words, tmp_path)
        assert done.returncode == code, done
        assert "most likely ours" not in done.stdout + done.stderr


def test_unencodable_characters_are_printed_as_question_marks(tmp_path: Path) -> None:
    done = _in_shell("doctor", tmp_path, PYTHONIOENCODING="ascii")
    assert "? settings" in done.stdout
    assert "most likely ours" not in done.stderr


def test_command_reports_a_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("There is no /dev/full here")
    done = _in_shell("routes > /dev/full", tmp_path)
    assert done.returncode == 1
    assert "Cannot write the output: No space left on device." in done.stderr


def _in_shell(words: str, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    command = f"{shlex.quote(sys.executable)} -m undercroft.cli {words}"
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=clean_environment(more), capture_output=True, text=True, check=False
    )


def test_unexpected_error_mentions_the_debug_option(tmp_path: Path) -> None:
    broken = "from undercroft.cli import _run; _run.app.callback()(lambda: 1 / 0); _run.main()"
    done = subprocess.run(
        [sys.executable, "-c", broken, "routes"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "UNDERCROFT_DEBUG=1" in done.stderr
    assert "Traceback" not in done.stderr


def test_command_reports_a_deleted_working_directory(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    undercroft = Path(sys.executable).with_name("undercroft")
    done = subprocess.run(
        ["/bin/sh", "-c", f"rmdir {folder}; {undercroft} dev"],
        cwd=folder,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "The current directory no longer exists." in done.stderr
