import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from undercroft.app.registry import get_registry
from undercroft.core import settings
from undercroft.core.context import AppContext, use_context
from undercroft.providers.email import EmailSettings, EmailTemplates, InvalidMessage
from undercroft.providers.email.templates import render

KNOWN = {"app_name": "Acme", "public_url": "https://acme.example", "unsubscribe_url": None}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    context = AppContext()
    context.add(EmailTemplates, EmailTemplates((tmp_path,)))
    with use_context(context):
        yield tmp_path


def write(folder: Path, name: str, body: str = "Hello", subject: str = "Hi") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(
        f'{{% extends "base.txt" %}}{{% block subject %}}{subject}{{% endblock %}}'
        f"{{% block body %}}{body}{{% endblock %}}"
    )
    (folder / f"{name}.html").write_text(f'{{% extends "base.html" %}}{{% block body %}}<p>{body}</p>{{% endblock %}}')


def test_subject_text_and_html_are_rendered_from_one_name(folder: Path) -> None:
    write(folder, "news", "Dear {{ name }}", "News for {{ name }}")

    made = render("news", {**KNOWN, "name": "Ada"})

    assert made.subject == "News for Ada"
    assert made.text.startswith("Dear Ada\n")
    assert "<p>Dear Ada</p>" in made.html
    assert "<title>News for Ada</title>" in made.html


def test_name_without_the_module_is_found_for_jobs_of_an_earlier_release(folder: Path) -> None:
    write(folder / "shop", "receipt", subject="Your receipt")
    for module in ("shop", "hotel"):
        write(folder / module, "welcome")

    assert render("receipt", KNOWN).subject == render("shop/receipt", KNOWN).subject == "Your receipt"
    with pytest.raises(InvalidMessage, match="welcome"):
        render("welcome", KNOWN)


def test_html_is_escaped_and_text_is_not(folder: Path) -> None:
    write(folder, "news", "{{ name }}", "{{ name }}")

    made = render("news", {**KNOWN, "name": "<b>Tom & Co</b>"})

    assert made.subject == "<b>Tom & Co</b>"
    assert "<b>Tom & Co</b>" in made.text
    assert "&lt;b&gt;Tom &amp; Co&lt;/b&gt;" in made.html
    assert "<b>" not in made.html


def test_missing_variable_error_contains_its_name(folder: Path) -> None:
    write(folder, "news", "{{ link }}")

    with pytest.raises(InvalidMessage, match="link"):
        render("news", KNOWN)


@pytest.mark.parametrize("name", ["nothing", "../base", "/etc/passwd"])
def test_missing_template_error_contains_its_name(folder: Path, name: str) -> None:
    with pytest.raises(InvalidMessage, match=re.escape(name)):
        render(name, KNOWN)


def test_template_with_a_syntax_error_or_without_a_subject_is_refused(folder: Path) -> None:
    write(folder, "broken", "{% if %}")
    (folder / "bare.txt").write_text("Hello")

    for name in ("broken", "bare"):
        with pytest.raises(InvalidMessage, match=name):
            render(name, KNOWN)


def test_project_overrides_modules(folder: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    settings.use(EmailSettings(email_templates=project))
    write(folder, "news", "module")
    assert render("news", KNOWN).text.startswith("module")
    write(project, "news", "project")
    assert render("news", KNOWN).text.startswith("project")


def test_project_can_override_only_the_layout(folder: Path, tmp_path: Path) -> None:
    settings.use(EmailSettings(email_templates=tmp_path / "project"))
    write(folder, "news")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "base.html").write_text("<main>{% block body %}{% endblock %}</main>")

    assert render("news", KNOWN).html == "<main><p>Hello</p></main>"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "/relative", ""])
def test_button_refuses_non_http_urls(folder: Path, url: str) -> None:
    write(folder, "news")
    (folder / "news.html").write_text(
        '{% extends "base.html" %}{% from "parts.html" import button %}'
        '{% block body %}{{ button(link, "x") }}{% endblock %}'
    )

    with pytest.raises(InvalidMessage, match="link"):
        render("news", {**KNOWN, "link": url})


def test_unsubscribe_link_is_shown_when_set(folder: Path) -> None:
    write(folder, "news")

    made = render("news", {**KNOWN, "unsubscribe_url": "https://acme.example/u"})

    assert "Unsubscribe: https://acme.example/u" in made.text
    assert 'href="https://acme.example/u"' in made.html
    assert "nsubscribe" not in render("news", KNOWN).html


IDENTITY = {
    "welcome": {"name", "link"},
    "verify": {"link", "expires_in", "requested"},
    "already_registered": {"link", "requested"},
    "reset_password": {"name", "link", "expires_in", "requested"},
    "password_changed": {"name", "link", "when"},
    "password_was_reset": {"name", "link", "when"},
    "confirm_email": {"link", "expires_in", "requested"},
    "email_changed": {"name", "link", "when", "new_email"},
    "account_deleted": {"name", "when"},
}
GIVEN = {
    "name": "Ada",
    "link": "https://acme.example/verify?token=abc&next=%2F",
    "expires_in": "24 hours",
    "when": "3 May 2026 at 10:00 UTC",
    "requested": "3 May 2026 at 10:00 UTC from 192.0.2.1 (Firefox on Linux)",
    "new_email": "new@example.com",
}


class TestAccountEmails:
    @pytest.fixture(autouse=True)
    def _context(self) -> Iterator[None]:
        with use_context(AppContext()):
            get_registry()
            yield

    @pytest.mark.parametrize("name", IDENTITY)
    def test_templates_need_only_the_declared_variables(self, name: str) -> None:
        data = {key: GIVEN[key] for key in IDENTITY[name]}

        made = render(f"auth/{name}", {**KNOWN, **data})

        assert "Acme" in made.subject
        for key in IDENTITY[name]:
            assert GIVEN[key] in made.text
            assert GIVEN[key].replace("&", "&amp;") in made.html
        assert made.text == made.text.strip() + "\n"
        assert "\n\n\n" not in made.text

    @pytest.mark.parametrize("name", IDENTITY)
    def test_greeting_is_correct_without_a_name(self, name: str) -> None:
        made = render(f"auth/{name}", {**KNOWN, **GIVEN, "name": ""})

        assert not re.search(r" [,!.]|None|\( ?\)", made.text)

    @pytest.mark.parametrize("name", ["verify", "already_registered", "confirm_email"])
    def test_emails_to_unconfirmed_addresses_contain_no_user_input(self, name: str) -> None:
        made = render(f"auth/{name}", {**KNOWN, **GIVEN, "name": "Win 1000 dollars at evil.example"})

        assert "evil" not in made.text + made.html + made.subject
