from pathlib import Path
from typing import Any

import pytest
from fastapi import Request, Response
from jinja2 import UndefinedError

from tests.core.http.conftest import Build
from undercroft.core.http import Router, pages
from undercroft.core.http.pages import add_templates, build_csp, email_link_page, environment, render_page

router = Router(surface="root")


@router.get("/hello")
async def hello(request: Request, name: str = "") -> Response:
    return render_page(request, "hello.html", name=name)


@router.get("/mailed")
async def mailed(request: Request, name: str = "") -> Response:
    return email_link_page(request, "hello.html", name=name)


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(pages, "_folders", list(pages._folders))
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "hello.html").write_text(
        '{% extends "base.html" %}{% block content %}<h1>Hello {{ name }}</h1>{% endblock %}'
    )
    environment.cache_clear()
    add_templates(folder)
    yield tmp_path
    environment.cache_clear()


async def test_module_template_extends_the_base_template(build: Build, templates: Path) -> None:
    asgi_client = build(router)
    response = await asgi_client.get("/hello", query=b"name=Ann")

    assert b"<h1>Hello Ann</h1>" in response.body
    style = response.body.decode().partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert (await asgi_client.get(style)).headers["content-type"].startswith("text/css")


async def test_template_values_are_escaped(build: Build, templates: Path) -> None:
    response = await build(router).get("/hello", query=b"name=%3Cscript%3Ealert(1)%3C/script%3E")

    assert b"<script>" not in response.body
    assert b"&lt;script&gt;" in response.body


async def test_csp_forbids_scripts_and_external_forms(build: Build, templates: Path) -> None:
    policy = (await build(router).get("/hello")).headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "form-action 'self'" in policy


async def test_email_link_page_is_not_cached_and_sends_no_referrer(build: Build, templates: Path) -> None:
    headers = (await build(router).get("/mailed")).headers

    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


async def test_overriding_template_folder_takes_precedence(build: Build, templates: Path) -> None:
    own = templates / "own"
    own.mkdir()
    (own / "hello.html").write_text("mine, {{ name }}")
    add_templates(own, override=True)

    assert (await build(router).get("/hello", query=b"name=Ann")).body == b"mine, Ann"


def test_undefined_template_variable_raises(configure: Any, templates: Path) -> None:
    with pytest.raises(UndefinedError):
        render_page(Request({"type": "http"}), "hello.html")


def test_csp_directives_can_be_overridden() -> None:
    assert "frame-src 'self'" in build_csp(frame_src="'self'")
