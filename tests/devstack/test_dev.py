"""`undercroft dev` with real processes: startup, restarts after kill -9, and complete shutdown."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devstack.stack import Stack, wait_until
from undercroft.devstack import data_dirs
from undercroft.devstack.machine import free_port

PROCESS_PATTERNS = {
    "API server": "serve all",
    "worker": " worker",
    "PostgreSQL": "postgres -D",
    "Valkey": "valkey-server",
}


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One folder with one first start for all tests of this file, because a first start is slow."""
    stack = Stack(tmp_path_factory.mktemp("project"))
    yield stack
    stack.remove()


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """The running stack. A test must leave it either running or completely stopped."""
    if not shared_stack.processes():
        shared_stack.start()
    return shared_stack


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.remove()


def test_banner_shows_all_urls_and_no_secret_but_the_demo_password(stack: Stack):
    output, password = stack.output, stack.state["demo_password"]
    for text in (
        "/docs",
        "/dev/mailbox",
        f"http://localhost:{stack.port}/",
        "/admin as admin@example.com",
        "demo@example.com",
        password,
    ):
        assert text in output
    secrets = [value for name, value in stack.state.items() if name.endswith(("_password", "_key"))]
    assert not [secret for secret in secrets if secret != password and secret in output]
    assert (stack.folder / ".undercroft" / "dev.json").stat().st_mode & 0o777 == 0o600
    assert stack.can_sign_in()


def test_db_stop_and_start_affect_only_postgres(stack: Stack):
    others = {found.pid for words in ("serve all", " worker") for found in stack.find(words)}

    assert stack.undercroft("db", "stop").returncode == 0
    assert not stack.find("postgres -D")
    assert stack.undercroft("db", "status").returncode == 1
    assert "Start it with `undercroft db start`" in stack.undercroft("seed").stderr
    assert stack.get("/api/v1/public/health/ready") == 503
    assert stack.undercroft("db", "start").returncode == 0

    wait_until(stack.can_sign_in, 10, lambda: stack.output)
    assert {found.pid for words in ("serve all", " worker") for found in stack.find(words)} == others


def test_each_killed_process_is_restarted(stack: Stack):
    for words in PROCESS_PATTERNS.values():
        _kill_and_see_it_back(stack, words)


def _kill_and_see_it_back(stack: Stack, words: str) -> None:
    before = {found.pid for found in stack.find(words)}
    stack.find(words)[0].kill()
    wait_until(lambda: bool({found.pid for found in stack.find(words)} - before), 15, lambda: stack.output)
    wait_until(stack.can_sign_in, 20, lambda: f"{words}\n{stack.output}")


def test_readme_quick_start_works(stack: Stack):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    walk = readme.partition("<!-- walk -->\n```bash\n")[2].partition("```")[0]
    assert walk.count("curl") == 6
    script = walk.replace(":8000", f":{stack.port}")
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"name":"Website"' in done.stdout
    assert '"total":1' in done.stdout


def test_commands_use_the_running_stack(stack: Stack):
    status = stack.undercroft("migrate", "status")
    assert (status.returncode, "core" in status.stdout) == (0, True), status.stderr
    assert "Using the running `undercroft dev` stack." in status.stderr
    doctor = stack.undercroft("doctor")
    assert (doctor.returncode, f":{stack.port}" in doctor.stdout) == (0, True), doctor.stdout
    assert stack.undercroft("seed").returncode == 0


def test_second_dev_and_db_reset_are_refused_while_dev_is_running(stack: Stack):
    second = stack.undercroft("dev", "--port", str(free_port()))
    assert second.returncode == 2
    assert "already running" in second.stderr
    assert stack.undercroft("db", "reset", "--yes").returncode == 2
    assert stack.can_sign_in()


def test_ctrl_c_stops_all_processes(stack: Stack):
    stack.interrupt()

    stack.wait_until_gone()


def test_killed_make_stops_all_processes_and_next_start_finds_all_data(stack: Stack):
    _kill_make(stack)

    stack.wait_until_gone()

    stack.start()
    assert stack.can_sign_in()


def _kill_make(stack: Stack) -> None:
    next(found for found in stack.processes() if found.command.startswith("make")).kill()


def test_killed_make_stops_all_processes_under_nohup(stack: Stack):
    _kill_make(stack)
    stack.wait_until_gone()
    stack.start(under=("nohup",))

    _kill_make(stack)

    stack.wait_until_gone()


def test_killed_supervisor_leaves_no_process_when_postgres_is_suspended(stack: Stack):
    (postgres,) = stack.find("postgres -D")
    postgres.kill(signal.SIGSTOP)
    stack.find("undercroft.cli dev")[0].kill()

    stack.wait_until_gone()


def test_next_start_finds_all_data_after_all_processes_were_killed(stack: Stack):
    stack.kill_all()
    stack.wait_until_gone()

    stack.start()

    assert stack.can_sign_in()


def test_deleted_data_are_created_again(stack: Stack):
    stack.kill_all()
    stack.wait_until_gone()
    data_dirs.delete_data_dir(stack.folder / ".undercroft", "postgres")

    stack.start()

    assert stack.can_sign_in()


def test_missing_state_file_is_reported_with_the_fix(stack: Stack):
    stack.kill_all()
    stack.wait_until_gone()
    (stack.folder / ".undercroft" / "dev.json").unlink()

    refused = stack.undercroft("dev", "--port", str(stack.port))

    assert refused.returncode == 2
    assert "undercroft db reset" in refused.stderr
    assert stack.undercroft("db", "reset", "--yes").returncode == 0
    assert not list((stack.folder / ".undercroft").glob("postgres/*"))


def test_killed_first_start_can_be_repeated(project: Stack):
    project.start(wait=False)
    wait_until(lambda: bool(project.find("bin/initdb")), 60, lambda: project.output)
    assert project.leader is not None
    for found in project.find("undercroft.cli dev"):
        found.kill()
    project.leader.wait(5)

    project.start()

    steps = [project.output.find(step) for step in ("Starting PostgreSQL", "Creating the tables", "Adding demo data")]
    assert -1 < steps[0] < steps[1] < steps[2] < project.output.find("Undercroft is running")
    assert project.can_sign_in()
    assert not list((project.folder / ".undercroft" / "postgres").resolve().parent.glob("postgres-*"))


@pytest.fixture
def hotel(project: Stack, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the project; its files are watched."""
    module = project.folder / "modules" / "hotel"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text("from undercroft.core import Module\n\nMODULE = Module()\n")
    path = project.folder / "modules"
    (path / "sitecustomize.py").write_text(
        f"import undercroft.modules\nundercroft.modules.__path__.append({str(path)!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(path))
    makefile = project.folder / "Makefile"
    makefile.write_text(makefile.read_text().replace(" --no-reload", ""))
    return module


def test_first_start_with_broken_code_waits_for_each_fix_and_continues(project: Stack, hotel: Path) -> None:
    (hotel / "models.py").write_text("class Hotel(:\n")
    (hotel / "routes.py").write_text("import nothing_like_this\n")
    project.start(wait=False)
    wait_until(lambda: "Retrying when a file changes" in project.output, 60, lambda: project.output)
    (hotel / "models.py").write_text("")
    wait_until(lambda: "it restarts when a file changes" in project.output, 60, lambda: project.output)
    assert not project.find(" worker")
    (hotel / "routes.py").write_text("")

    project.wait_healthy()

    assert project.can_sign_in()
    assert [project.output.count(f"modules/hotel/{line}") for line in ("models.py:1", "routes.py:1")] == [1, 1]
    assert "modules/hotel/routes.py changed, restarting" in project.output
    project.interrupt()
    project.wait_until_gone()


def test_ctrl_c_stops_a_first_start_that_waits_for_a_fix(project: Stack, hotel: Path) -> None:
    (hotel / "models.py").write_text("class Hotel(:\n")
    project.start(wait=False)
    wait_until(lambda: "Retrying when a file changes" in project.output, 60, lambda: project.output)

    project.interrupt()

    project.wait_until_gone()


def test_first_start_with_broken_code_exits_without_reload(project: Stack, hotel: Path) -> None:
    (hotel / "routes.py").write_text("import nothing_like_this\n")

    done = project.undercroft("dev", "--no-reload", "--port", str(project.port))

    assert (done.returncode, done.stderr.count("modules/hotel/routes.py:1")) == (1, 1)
    assert "when a file changes" not in done.stderr
    assert not project.processes()


def _check_error_message(stack: Stack, *words: str, **extra: str) -> None:
    done = stack.undercroft("dev", "--port", str(stack.port), **extra)
    assert done.returncode == 2, done
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert not stack.processes()


def test_port_in_use_is_reported_with_the_fix(project: Stack):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", project.port))
        taken.listen()
        _check_error_message(project, f"Port {project.port}", "--port")


def test_corrupt_env_file_is_reported(project: Stack):
    (project.folder / ".env").write_bytes(b"\x00\xff not = a setting\n=\n")
    _check_error_message(project, ".env")


@pytest.mark.parametrize("written", ["", "{", "[]", "{}", '{"roles_made": true, "postgres_port": "5432"}'])
def test_corrupt_state_file_is_reported(project: Stack, written: str):
    (project.folder / ".undercroft").mkdir()
    (project.folder / ".undercroft" / "dev.json").write_text(written)
    _check_error_message(project, "dev.json")


def test_unreachable_database_is_reported_without_its_password(project: Stack):
    url = "postgresql://me:my-secret@127.0.0.1:9/nothing"
    done = project.undercroft("dev", "--port", str(project.port), DATABASE_URL=url)
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "my-secret" not in done.stdout + done.stderr


def test_read_only_project_directory_is_reported(project: Stack):
    closed = Path("/sys" if sys.platform == "linux" else "/System")
    done = project.undercroft("dev", "--port", str(project.port), cwd=closed)
    assert done.returncode == 2
    assert f"Cannot write to {closed}" in done.stderr
    assert "Traceback" not in done.stderr
