"""What goes wrong for a person ends in one clear message, an honest exit code and no traceback."""

import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.terminal import PRODUCTION, bare, typed

NOWHERE = {"DATABASE_URL": "postgresql://me:hunter2hunter2@127.0.0.1:1/none", "DB_START_TIMEOUT": "0"}
UNSET = "DATABASE_URL is not set"
UNREACHABLE = "The database at 127.0.0.1:1 cannot be used: nothing listens there."


@dataclass(frozen=True)
class Mistake:
    """Something typed that cannot work, and what must be said about it."""

    words: str
    told: tuple[str, ...]
    code: int = 2
    environment: dict[str, str] = field(default_factory=dict)
    env_file: bytes | None = None

    def __str__(self) -> str:
        return f"{self.words or 'nothing'}-{self.told[0][:30]}"


MISTYPED = [
    Mistake("nonsense", ("No such command 'nonsense'", "undercroft --help")),
    Mistake("_run", ("No such command '_run'",)),
    Mistake("--nonsense", ("No such option: --nonsense",)),
    Mistake("serve --port x", ("'--port'", "valid integer", "undercroft serve --help")),
    Mistake("serve --port 70000", ("'--port'", "65535")),
    Mistake("serve nowhere", ("'nowhere' is not one of 'all', 'public', 'admin'",)),
    Mistake("dev --port 0", ("'--port'", "greater than or equal to 1")),
    Mistake("dev --port 51987 --host no.invalid", ("One cannot listen on no.invalid, port 51987", "--host")),
    Mistake("dev --port 51987 --host 192.0.2.1", ("One cannot listen on 192.0.2.1, port 51987", "--host")),
    Mistake("worker --concurrency 0", ("'--concurrency'",)),
    Mistake("migrate sideways", ("No such command 'sideways'", "undercroft migrate --help")),
    Mistake("migrate new", ("Missing argument 'message'",)),
    Mistake("migrate new x --module nowhere", ("no history called nowhere", "core", "projects")),
    Mistake("migrate downgrade nowhere base", ("no history called nowhere",)),
    Mistake("db url nobody", ("'nobody' is not one of 'app', 'owner', 'admin'",)),
    Mistake("user create-admin nonsense", ("nonsense is not a mail address",)),
    Mistake("user set-password a@example.com", ("--password-stdin",)),
    Mistake("env --write --check", ("exclude each other",)),
    Mistake("seed more", ("unexpected extra argument",)),
]
NO_DATABASE = [
    *(
        Mistake(words, (UNSET, "undercroft dev"))
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
    Mistake("serve", (UNSET, "not fit for production"), environment=PRODUCTION),
    Mistake("worker", (UNSET,), environment=PRODUCTION),
    Mistake("doctor", (UNSET, "not looked at: mend database first"), 1, PRODUCTION),
]
UNREACHABLE_DATABASE = [
    *(
        Mistake(words, (UNREACHABLE,), environment=NOWHERE)
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
    Mistake("serve", (UNREACHABLE,), environment=PRODUCTION | NOWHERE | {"PORT": "51988"}),
    Mistake("worker", (UNREACHABLE,), environment=PRODUCTION | NOWHERE),
    Mistake("doctor", (UNREACHABLE,), 1, PRODUCTION | NOWHERE),
    Mistake("migrate status", ("no host of that name",), environment={"DATABASE_URL": "postgresql://a@no.invalid/x"}),
    Mistake(
        "migrate status",
        ("The database at /nowhere:5432 cannot be used",),
        environment={"DATABASE_URL": "postgresql:///x?host=/nowhere"},
    ),
    Mistake("seed", ("DATABASE_URL must look like postgresql://",), environment={"DATABASE_URL": "mysql://a@b/c"}),
]
CORRUPT = [
    *(
        Mistake(words, (".env line 2 is not of the form NAME=value",), env_file=b"APP_NAME=x\nnot a setting\n")
        for words in ("serve", "worker", "dev", "seed", "routes", "openapi", "migrate status", "db status")
    ),
    Mistake("doctor", (".env line 1",), 1, env_file=b"not a setting\n"),
    Mistake("routes", (".env cannot be read",), env_file=b"\xff\xfe\x00"),
    Mistake("migrate status", ("DB_POOL_SIZE must be a whole number",), env_file=b"DB_POOL_SIZE=many\n"),
    Mistake("routes", ("SECRET_KEYS must be a JSON list",), env_file=b"SECRET_KEYS=abc\n"),
    Mistake(
        "serve", ("DB_POOL_SIZE", "SMTP_USERNAME and SMTP_PASSWORD"), env_file=b"DB_POOL_SIZE=many\nSMTP_USERNAME=x\n"
    ),
]
ELSEWHERE = [
    Mistake("db stop", ("`undercroft dev` does not run in this folder",)),
    Mistake("db start", ("`undercroft dev` does not run in this folder",)),
    Mistake("db status", ("`undercroft dev` does not run",), 1),
    Mistake("db url", ("no embedded database yet",)),
    Mistake("db reset", ("Nothing was done",), 1),
    Mistake("db reset --yes", ("DATABASE_URL is set", "leaves it alone"), environment=NOWHERE),
    Mistake("env --check", (".env.example is stale", "undercroft env --write"), 1),
    Mistake("routes /nothing/here", ("/nothing/here",), 1),
    Mistake("openapi --out missing/api.json", ("missing/api.json: No such file or directory.",), 1),
    Mistake("openapi --out .", (".: Is a directory.",), 1),
]
MISTAKES = [*MISTYPED, *NO_DATABASE, *UNREACHABLE_DATABASE, *CORRUPT, *ELSEWHERE]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_gets_one_clear_message(mistake: Mistake, tmp_path: Path) -> None:
    if mistake.env_file is not None:
        (tmp_path / ".env").write_bytes(mistake.env_file)
    seen = typed(*mistake.words.split(), folder=tmp_path, **mistake.environment)
    assert seen.code == mistake.code, seen.everything
    assert [words for words in mistake.told if words not in seen.everything] == [], seen.everything
    for never in ("Traceback", "most likely ours", "\x1b", "hunter2", "Value error"):
        assert never not in seen.everything


@pytest.mark.parametrize(("url", "code"), [(NOWHERE["DATABASE_URL"], 75), ("mysql://a@b/c", 2)])
def test_program_of_dev_ends_with_75_when_a_server_is_away(url: str, code: int, tmp_path: Path) -> None:
    supervised = bare(
        {"DATABASE_URL": url, "DB_START_TIMEOUT": "0", "UNDERCROFT_LEASH": "1", "ENVIRONMENT": "development"}
    )
    command = [sys.executable, "-m", "undercroft.cli", "worker"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=supervised, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr is not None
        said = worker.stderr.read()
    assert (worker.returncode, "DATABASE_URL" in said) == (code, True), said


def test_weak_production_settings_are_named_all_at_once(tmp_path: Path) -> None:
    weak = {"SECRET_KEY": "short", "DEMO_PASSWORD": "hunter2hunter2", "EMAIL_PROVIDER": "mailbox"}
    seen = typed("serve", folder=tmp_path, **weak)
    assert seen.code == 2
    for setting in ("SECRET_KEY", "PUBLIC_URL", "DATABASE_URL", "EMAIL_PROVIDER", "EMAIL_FROM", "DEMO_PASSWORD"):
        assert f"- {setting}" in seen.err
    assert "hunter2" not in seen.everything


@pytest.mark.parametrize(
    "weak",
    ["0123456789" * 4, "abcdefghijklmnopqrstuvwxyz0123456789", "your-secret-key-goes-here-1234567890", "CHANGEME-" * 5],
)
def test_a_secret_that_anybody_would_guess_is_refused_in_production(weak: str, tmp_path: Path) -> None:
    seen = typed("serve", folder=tmp_path, **PRODUCTION | NOWHERE | {"SECRET_KEY": weak})
    assert seen.code == 2
    assert "SECRET_KEY is too weak" in seen.err
    assert weak not in seen.everything


def test_a_taken_port_is_told_with_the_way_out(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        serving = typed("serve", "--port", port, folder=tmp_path, **PRODUCTION, **NOWHERE)
        developing = typed("dev", "--port", port, folder=tmp_path)
    assert (serving.code, developing.code) == (2, 2)
    assert f"port {port}" in serving.err
    assert "--port" in serving.err
    assert "make dev PORT=" in developing.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_command_does_without_a_stream_that_is_closed(closed: str, tmp_path: Path) -> None:
    reading = f"user create-admin a@example.com --password-stdin {closed}"
    for words, code in ((f"routes {closed}", 0), (f"db reset {closed}", 1), (reading, 2)):
        done = _in_shell(words, tmp_path)
        assert done.returncode == code, done
        assert "most likely ours" not in done.stdout + done.stderr


def test_what_an_encoding_has_no_sign_for_is_still_printed(tmp_path: Path) -> None:
    done = _in_shell("doctor", tmp_path, PYTHONIOENCODING="ascii")
    assert "? settings" in done.stdout
    assert "most likely ours" not in done.stderr


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("There is no /dev/full here")
    done = _in_shell("routes > /dev/full", tmp_path)
    assert done.returncode == 1
    assert "could not be written: No space left on device." in done.stderr


def _in_shell(words: str, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    command = f"{shlex.quote(sys.executable)} -m undercroft.cli {words}"
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=bare(more), capture_output=True, text=True, check=False
    )


def test_an_error_of_ours_says_where_to_look(tmp_path: Path) -> None:
    broken = "from undercroft.cli import _run; _run.app.callback()(lambda: 1 / 0); _run.main()"
    done = subprocess.run(
        [sys.executable, "-c", broken, "routes"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "UNDERCROFT_DEBUG=1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_was_deleted_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    undercroft = Path(sys.executable).with_name("undercroft")
    done = subprocess.run(
        ["/bin/sh", "-c", f"rmdir {folder}; {undercroft} dev"],
        cwd=folder,
        env=bare({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "This folder has been deleted." in done.stderr
