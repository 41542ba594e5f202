"""The context of an application: components, and settings that other applications do not share."""

import asyncio
from pathlib import Path

import pytest

from tests.enabled import SAME_MODULES
from undercroft.app.api import create_app
from undercroft.core.cache import Cache
from undercroft.core.context import PROCESS, AppContext, current_context, use_context
from undercroft.core.db import Database
from undercroft.core.health import Health
from undercroft.core.security.threads import BoundedThreads
from undercroft.core.settings import CoreSettings, load, reset


def test_components_are_looked_up_by_class() -> None:
    context = AppContext()
    health = context.add(Health, Health())
    assert context.get(Health) is context.find(Health) is health
    context.remove(Health)
    assert context.find(Health) is None


def test_missing_component_is_named() -> None:
    with pytest.raises(LookupError, match=r"no Database.*run its lifespan"):
        AppContext().get(Database)


def test_context_is_current_only_inside_its_block_and_tasks_inherit_it() -> None:
    context = AppContext()

    async def read() -> AppContext:
        return await asyncio.create_task(_current())

    with use_context(context):
        assert asyncio.run(read()) is context
    assert current_context() is PROCESS


async def _current() -> AppContext:
    return current_context()


def test_settings_come_from_the_environment_of_the_context() -> None:
    reset()
    names = []
    for environ in ({"APP_NAME": "One"}, {"app_name": "Two", "PUBLIC_URL": ""}):
        with use_context(AppContext(environ)):
            names.append(load(CoreSettings).app_name)
            assert load(CoreSettings).public_url == "http://127.0.0.1:8000"
            assert load(CoreSettings) is load(CoreSettings)
    assert names == ["One", "Two"]


def test_application_keeps_the_environment_of_its_creation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reset()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.delenv("ENABLED_EXTENSIONS", raising=False)
    (tmp_path / ".env").write_text("APP_NAME=First\n")
    first = create_app()
    (tmp_path / ".env").write_text("APP_NAME=Second\n")
    second = create_app()
    third = create_app(environ={**SAME_MODULES, "ENVIRONMENT": "test", "APP_NAME": "Third", "SECRET_KEY": "x" * 40})
    assert [app.title for app in (first, second, third)] == ["First", "Second", "Third"]
    with use_context(first.context):
        assert load(CoreSettings).app_name == "First"
    assert first.context.get(Cache) is not second.context.get(Cache)


async def test_thread_pool_runs_in_the_context_of_the_caller() -> None:
    context = AppContext()
    with use_context(context):
        assert await BoundedThreads(parallel=1).run(current_context, subject="a") is context
