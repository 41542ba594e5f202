"""The file of the last errors: complete lines from several processes, and a bounded size."""

import logging
import multiprocessing
from io import StringIO
from pathlib import Path

import pytest
import structlog

from undercroft.core.telemetry import error_file, logs
from undercroft.core.telemetry.error_file import read_errors, record_error


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(error_file.VARIABLE, str(tmp_path / "errors.jsonl"))
    return tmp_path / "errors.jsonl"


def _record_many(name: str) -> None:
    for number in range(200):
        record_error({"level": "error", "event": f"{name} {number}"})


def test_logged_errors_are_recorded_without_secrets(path: Path, test_settings: None) -> None:
    logs.configure(stream=StringIO())
    structlog.get_logger("undercroft.application").info("fine")
    try:
        raise LookupError("no row for token=abcdefghijkl")
    except LookupError:
        structlog.get_logger("undercroft.error").exception("request failed", password="hunter2")
    logging.getLogger("library").error("from a library")
    first, second = read_errors(path)
    assert (first["event"], second["event"]) == ("request failed", "from a library")
    assert "LookupError: no row" in first["exception"]
    assert "abcdefghijkl" not in str(first)
    assert "hunter2" not in str(first)
    assert path.stat().st_mode & 0o077 == 0


def test_processes_write_whole_lines(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_record_many, args=(name,)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    events = [error["event"] for error in read_errors(path)]
    assert len(events) == 400
    assert [event for event in events if event[0] == "a"] == [f"a {number}" for number in range(200)]


def test_file_is_shortened_to_the_last_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_file, "MAX_BYTES", 10_000)
    for number in range(1000):
        record_error({"level": "error", "event": f"{number}", "text": "x" * 50})
    events = [error["event"] for error in read_errors(path)]
    assert events[-1] == "999"
    assert events == [str(number) for number in range(1000 - len(events), 1000)]
    assert path.stat().st_size < 20_000
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_large_and_corrupt_lines_do_no_harm(path: Path) -> None:
    record_error({"level": "error", "event": "large", "exception": "x" * 1_000_000, "object": object()})
    with path.open("a") as file:
        file.write('{"half": \n[1]\n')
    record_error({"level": "critical", "event": "last"})
    large, last = read_errors(path)
    assert len(large["exception"]) < 9_000
    assert last["event"] == "last"


def test_nothing_is_recorded_outside_of_a_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(error_file.VARIABLE, raising=False)
    record_error({"level": "error", "event": "lost"})
    monkeypatch.setenv(error_file.VARIABLE, str(tmp_path / "no folder" / "errors.jsonl"))
    record_error({"level": "error", "event": "lost"})
    assert read_errors(tmp_path / "errors.jsonl") == []
