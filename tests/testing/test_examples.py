"""The examples of `docs/testing.md` and of the docstrings of `undercroft.testing` run as they are written."""

import asyncio
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select

import undercroft.testing
from tests.testing.examples import docstring_examples, page_examples
from undercroft.core.db import Database
from undercroft.modules.projects.resources import ProjectResource

NAMES = {name: getattr(undercroft.testing, name) for name in undercroft.testing.__all__}
LIBRARIES = (asyncio, UTC, date, datetime, pytest, AsyncClient, func, select, Database, ProjectResource)
ROOT = Path(__file__).parents[2]

globals().update(page_examples(ROOT / "docs" / "testing.md"))
globals().update(docstring_examples(Path(undercroft.testing.__file__).parent, {**globals(), **NAMES}))


def test_examples_were_found() -> None:
    assert len([name for name in globals() if name.startswith("test_")]) > 20


def test_page_names_every_public_name_and_fixture() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", page))
    assert [name for name in undercroft.testing.__all__ if name not in words] == []
    fixtures = {"client", "user", "stranger", "admin", "create_user", "create_team", "database", "rollback", "jobs"}
    fixtures |= {"mailbox", "events", "audit_log", "clock", "statements", "attack", "oidc_issuer", "app", "rls_enabled"}
    assert sorted(fixtures - words) == []
