"""The pages about extending are executed in the order of their index, in one project."""

import re
from pathlib import Path

import pytest

from tests.cli.command_runner import get_program
from tests.docs.projects import prepare_terminal
from tests.docs.walkthrough import ROOT, Walkthrough
from undercroft.testing.servers import Servers

FOLDER = ROOT / "docs" / "extending"
INDEX = (FOLDER / "index.md").read_text(encoding="utf-8")
PAGES = ["index.md", *re.findall(r"^\| .+ \| \[.+\]\((.+)\) \|$", INDEX, re.MULTILINE)]


def test_index_lists_all_pages() -> None:
    named = {(FOLDER / page).resolve() for page in PAGES}
    assert len(named) == len(PAGES)
    assert named >= set(FOLDER.glob("*.md"))
    assert named <= set((ROOT / "docs").rglob("*.md"))


@pytest.fixture
def terminal(tmp_path: Path, servers: Servers, empty_database_url: str) -> Walkthrough:
    terminal = prepare_terminal(tmp_path, servers, DATABASE_URL=empty_database_url, ENVIRONMENT="development")
    (tmp_path / "bin" / "undercroft").symlink_to(get_program())
    return terminal


def test_pages_are_executed_and_their_tests_pass(terminal: Walkthrough) -> None:
    for page in PAGES:
        terminal.run((FOLDER / page).resolve())
    terminal.shell("ruff format --check . && ruff check .")
    terminal.shell("env -u DATABASE_URL -u ENVIRONMENT pytest -q")
    terminal.shell("undercroft openapi --check")
