import asyncio
import datetime
import email
import email.policy
import io
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.providers.email.smtp_server import SmtpHandler, smtp_server
from undercroft.core import settings
from undercroft.core.settings import CoreSettings, Environment
from undercroft.providers.email import (
    Address,
    EmailMessage,
    EmailProvider,
    EmailSettings,
    SmtpSecurity,
)
from undercroft.providers.email.console import ConsoleProvider
from undercroft.providers.email.mailbox import MailboxProvider
from undercroft.providers.email.smtp import SmtpProvider


@pytest.fixture(autouse=True)
def _test_settings(tmp_path: Path) -> None:
    settings.reset()
    settings.use(CoreSettings(environment=Environment.TEST, app_name="Acme", public_url="https://acme.example"))
    settings.use(EmailSettings(email_provider="mailbox", email_mailbox_folder=tmp_path / "mailbox"))


@dataclass
class Delivered:
    message_id: str
    subject: str
    text: str


@dataclass
class ProviderCase:
    """A provider and the emails that it delivered."""

    provider: EmailProvider
    delivered: Callable[[], list[Delivered]]


@pytest.fixture(params=["console", "mailbox", "smtp"])
def provider_case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProviderCase]:
    match request.param:
        case "console":
            stream = io.StringIO()
            yield ProviderCase(ConsoleProvider(stream), lambda: _parse_printed(stream.getvalue()))
        case "mailbox":
            folder = tmp_path / "mailbox"
            files = lambda: sorted(folder.glob("*.eml"))  # noqa: E731
            yield ProviderCase(
                MailboxProvider(folder, size=1000), lambda: [_parse_delivered(path.read_bytes()) for path in files()]
            )
        case "smtp":
            room = SmtpHandler()
            with smtp_server(room, enable_SMTPUTF8=True) as port:
                yield ProviderCase(
                    smtp_provider(port), lambda: [_parse_delivered(each.original_content) for each in room.received]
                )


def smtp_provider(port: int, *, security: SmtpSecurity = SmtpSecurity.NONE, **more: object) -> SmtpProvider:
    known = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": security, "smtp_timeout": 20.0}
    return SmtpProvider(EmailSettings(**{**known, **more}))


def make_message(
    to: str = "ada@example.com", subject: str = "Hello", text: str = "How are you?", **more
) -> EmailMessage:
    return EmailMessage(
        sender=Address("no-reply@acme.example", "Acme"), to=(Address.parse(to),), subject=subject, text=text, **more
    )


def parse(raw: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def _parse_delivered(raw: bytes) -> Delivered:
    mail = parse(raw)
    text = mail.get_body(("plain",)).get_content()
    return Delivered(mail["Message-ID"], mail["Subject"], text.replace("\r\n", "\n").rstrip("\n"))


def _parse_printed(output: str) -> list[Delivered]:
    mails = [block for block in output.split("─" * 72) if block.strip()]
    return [_parse_printed_mail(block.strip()) for block in mails]


def _parse_printed_mail(block: str) -> Delivered:
    head, _, text = block.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    return Delivered(fields["Message-ID"], fields["Subject"], text)


@dataclass(frozen=True)
class Certificate:
    pem: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem, key_file = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_file)
    return Certificate(pem, context)


@pytest.fixture
def hanging() -> asyncio.Event:
    return asyncio.Event()
