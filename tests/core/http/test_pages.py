from pathlib import Path
from typing import Any

import pytest
from fastapi import Request, Response
from jinja2 import UndefinedError

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.context import use_context
from undercroft.core.http import Router
from undercroft.core.http.pages import PageTemplates, build_csp, email_link_page, render_page
from undercroft.core.http.settings import HttpSettings

router = Router(surface="root")


@router.get("/hello")
async def hello(request: Request, name: str = "") -> Response:
    return render_page(request, "hello.html", name=name)


@router.get("/mailed")
async def mailed(request: Request, name: str = "") -> Response:
    return email_link_page(request, "hello.html", name=name)


@pytest.fixture
def build_with_templates(build: Build, tmp_path: Path) -> Build:
    """Like `build`, for an application with a template of a module."""
    (tmp_path / "hello.html").write_text(
        '{% extends "base.html" %}{% block content %}<h1>Hello {{ name }}</h1>{% endblock %}'
    )

    def make(*routers: Router, **options: Any) -> AsgiClient:
        client = build(*routers, **options)
        client.app.context.add(PageTemplates, PageTemplates((tmp_path,)))
        return client

    return make


async def test_module_template_extends_the_base_template(build_with_templates: Build) -> None:
    asgi_client = build_with_templates(router)
    response = await asgi_client.get("/hello", query=b"name=Ann")

    assert b"<h1>Hello Ann</h1>" in response.body
    style = response.body.decode().partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert (await asgi_client.get(style)).headers["content-type"].startswith("text/css")


async def test_template_values_are_escaped(build_with_templates: Build) -> None:
    response = await build_with_templates(router).get("/hello", query=b"name=%3Cscript%3Ealert(1)%3C/script%3E")

    assert b"<script>" not in response.body
    assert b"&lt;script&gt;" in response.body


async def test_csp_forbids_scripts_and_external_forms(build_with_templates: Build) -> None:
    policy = (await build_with_templates(router).get("/hello")).headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "form-action 'self'" in policy


async def test_email_link_page_is_not_cached_and_sends_no_referrer(build_with_templates: Build) -> None:
    headers = (await build_with_templates(router).get("/mailed")).headers

    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


async def test_template_of_the_project_takes_precedence(build_with_templates: Build, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "hello.html").write_text("mine, {{ name }}")
    client = build_with_templates(router, settings=(HttpSettings(page_templates=own),))

    assert (await client.get("/hello", query=b"name=Ann")).body == b"mine, Ann"


def test_undefined_template_variable_raises(build_with_templates: Build) -> None:
    with use_context(build_with_templates().app.context), pytest.raises(UndefinedError):
        render_page(Request({"type": "http"}), "hello.html")


def test_csp_directives_can_be_overridden() -> None:
    assert "frame-src 'self'" in build_csp(frame_src="'self'")
