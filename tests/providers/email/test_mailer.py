import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.providers.email.conftest import make_message, parse
from undercroft.app.registry import get_registry
from undercroft.core import settings
from undercroft.core.context import AppContext, use_context
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, Environment, load
from undercroft.providers.email import (
    Address,
    Attachment,
    DeliveryRefused,
    EmailSettings,
    InvalidMessage,
    Mailer,
    get_mailer,
)


@pytest.fixture(autouse=True)
def _templates() -> Iterator[None]:
    with use_context(AppContext()):
        get_registry()
        yield


def mails() -> list:
    folder = load(EmailSettings).email_mailbox_folder
    return [parse(path.read_bytes()) for path in sorted(folder.glob("*.eml"))]


VERIFY = {"link": "https://acme.example/v?token=abc", "requested": "3 May 2026 at 10:00 UTC", "expires_in": "24 hours"}


async def test_template_is_sent_with_the_configured_sender() -> None:
    message_id = await get_mailer().send("Ada <ada@example.com>", "auth/verify", VERIFY)

    (mail,) = mails()
    assert mail["Message-ID"] == message_id
    assert mail["From"] == "Acme <no-reply@localhost>"
    assert mail["To"] == "Ada <ada@example.com>"
    assert mail["Subject"] == "Confirm your email address for Acme"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert VERIFY["link"] in mail.get_body(("plain",)).get_content()
    assert VERIFY["link"] in mail.get_body(("html",)).get_content()


async def test_retried_job_sends_the_same_message_id() -> None:
    job = UUID("019aa000-0000-7000-8000-000000000001")

    first = await get_mailer().send("ada@example.com", "auth/verify", VERIFY, key=job)
    changed = {**VERIFY, "link": "https://acme.example/new"}
    second = await get_mailer().send("ada@example.com", "auth/verify", changed, key=job)

    assert first == second == f"<{job}@localhost>"
    (mail,) = mails()
    assert "https://acme.example/new" in mail.get_body(("plain",)).get_content()


async def test_key_may_contain_any_characters() -> None:
    sent = await get_mailer().send("ada@example.com", "auth/verify", VERIFY, key="reminder 1: <März>")
    assert sent == "<reminder%201%3A%20%3CM%C3%A4rz%3E@localhost>"
    assert mails()[0]["Message-ID"] == sent


async def test_options_are_applied_to_the_email() -> None:
    await get_mailer().send(
        ["ada@example.com", Address("bob@example.com", "Bob")],
        "auth/verify",
        VERIFY,
        attachments=[Attachment(filename="a.txt", content=b"x", content_type="text/plain")],
        headers={"X-Campaign": "spring"},
        unsubscribe_url="https://acme.example/u",
        reply_to="help@acme.example",
    )

    (mail,) = mails()
    assert mail["To"] == "ada@example.com, Bob <bob@example.com>"
    assert (mail["X-Campaign"], mail["Reply-To"]) == ("spring", "help@acme.example")
    assert mail["List-Unsubscribe"] == "<https://acme.example/u>"
    assert [part.get_filename() for part in mail.iter_attachments()] == ["a.txt"]


@pytest.mark.parametrize(
    ("to", "template", "data"),
    [
        ("no-address", "auth/verify", VERIFY),
        ("ada@example.com\r\nBcc: eve@example.com", "auth/verify", VERIFY),
        ([], "auth/verify", VERIFY),
        ("ada@example.com", "no_such_template", VERIFY),
        ("ada@example.com", "auth/verify", {}),
        ("ada@example.com", "auth/verify", {**VERIFY, "link": "javascript:alert(1)"}),
    ],
)
async def test_invalid_email_raises_a_permanent_error(to, template, data) -> None:
    with pytest.raises(InvalidMessage):
        await get_mailer().send(to, template, data)
    assert mails() == []


async def test_rejection_is_raised_by_send_and_returned_by_send_bulk() -> None:
    class Refusing:
        async def check(self):
            pass

        async def deliver(self, messages):
            return [DeliveryRefused("550") if "gone" in message.recipients[0] else None for message in messages]

    refusing = Mailer(Refusing(), load(EmailSettings))

    with pytest.raises(DeliveryRefused):
        await refusing.send_raw(make_message(to="gone@example.com"))
    outcomes = await refusing.send_bulk([make_message(), make_message(to="gone@example.com")])
    assert [type(outcome) for outcome in outcomes] == [type(None), DeliveryRefused]


class TestSettings:
    def test_changed_settings_recreate_the_provider(self, tmp_path: Path) -> None:
        first = get_mailer()
        assert get_mailer() is first
        settings.use(EmailSettings(email_provider="console"))
        assert type(get_mailer().provider).__name__ == "ConsoleProvider"

    @pytest.mark.parametrize(
        ("environment", "provider"),
        [
            (Environment.DEVELOPMENT, "mailbox"),
            (Environment.TEST, "mailbox"),
            (Environment.PRODUCTION, "smtp"),
        ],
    )
    def test_default_provider_is_the_mailbox_except_in_production(self, environment, provider) -> None:
        settings.use(CoreSettings(environment=environment, disabled_modules=()))
        assert EmailSettings().provider is provider

    def test_default_provider_without_the_mailbox_page_is_the_console(self) -> None:
        settings.use(CoreSettings(environment=Environment.DEVELOPMENT, disabled_modules=("mailbox",)))
        assert EmailSettings().provider == "console"

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ({}, ["SMTP_HOST", "EMAIL_FROM"]),
            ({"email_provider": "console"}, ["EMAIL_PROVIDER", "EMAIL_FROM"]),
            ({"email_provider": "mailbox", "email_from": "a@acme.example"}, ["EMAIL_PROVIDER"]),
            ({"smtp_host": "mail.example", "email_from": "a@acme.example"}, []),
            (
                {
                    "smtp_host": "mail.example",
                    "email_from": "a@acme.example",
                    "smtp_security": "none",
                    "smtp_username": "a",
                    "smtp_password": "b",
                },
                ["SMTP_SECURITY"],
            ),
            (
                {
                    "smtp_host": "127.0.0.1",
                    "email_from": "a@acme.example",
                    "smtp_security": "none",
                    "smtp_username": "a",
                    "smtp_password": "b",
                },
                [],
            ),
        ],
    )
    def test_production_errors_name_each_invalid_setting(self, given, named) -> None:
        errors = list(EmailSettings(**given).production_errors())
        assert [error for error in errors for name in named if name in error] == errors
        assert len(errors) == len(named)
        assert all(error.endswith(".") for error in errors)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("EMAIL_PROVIDER", "pigeon"),
            ("EMAIL_FROM", "no-address"),
            ("EMAIL_REPLY_TO", "a b"),
            ("SMTP_PORT", "99999"),
            ("SMTP_TIMEOUT", "0"),
            ("SMTP_USERNAME", "without-password"),
        ],
    )
    def test_invalid_settings_are_reported_at_startup(self, name, value, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.reset()
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match=r"EMAIL|SMTP"):
            load(EmailSettings).require_adapters()

    def test_repr_does_not_contain_the_password(self) -> None:
        shown = repr(EmailSettings(smtp_username="acme", smtp_password="tiger"))
        assert "tiger" not in shown


def test_importing_mail_imports_no_provider_and_no_template_engine() -> None:
    program = (
        "import sys, undercroft.providers.email;"
        "print([name for name in ('aiosmtplib', 'jinja2', 'undercroft.providers.email.console')"
        " if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
