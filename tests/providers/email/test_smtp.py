import asyncio
import socket

import pytest
from pydantic import SecretStr

from tests.providers.email.conftest import Certificate, make_message, parse, smtp_provider
from tests.providers.email.smtp_server import SmtpHandler, accept_only, free_port, smtp_server
from undercroft.core.errors import ConfigurationError
from undercroft.providers.email import Address, DeliveryDeferred, DeliveryRefused, EmailSettings, SmtpSecurity
from undercroft.providers.email.smtp import SmtpProvider


async def deliver_one(port: int, message=None, **options):
    (outcome,) = await smtp_provider(port, **options).deliver([message or make_message()])
    return outcome


async def test_envelope_contains_all_recipients_and_headers_omit_bcc() -> None:
    room = SmtpHandler()
    message = make_message(
        cc=(Address("bob@example.com"),), bcc=(Address("eve@example.com"), Address("ada@example.com"))
    )
    with smtp_server(room) as port:
        assert await deliver_one(port, message) is None

    (envelope,) = room.received
    assert envelope.mail_from == "no-reply@acme.example"
    assert envelope.rcpt_tos == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert b"eve@" not in envelope.original_content


async def test_bulk_email_uses_one_connection() -> None:
    room = SmtpHandler()
    with smtp_server(room) as port:
        await smtp_provider(port).deliver([make_message() for _ in range(10)])

    assert (len(room.received), room.connections) == (10, 1)


class TestAuthentication:
    async def test_authentication_over_starttls_succeeds(self, certificate: Certificate) -> None:
        room = SmtpHandler()
        with smtp_server(
            room, tls_context=certificate.context, auth_required=True, authenticator=accept_only("acme", "secret")
        ) as port:
            outcome = await deliver_one(
                port,
                security=SmtpSecurity.STARTTLS,
                smtp_ca_file=certificate.pem,
                smtp_username="acme",
                smtp_password=SecretStr("secret"),
            )

        assert outcome is None
        assert len(room.received) == 1

    async def test_authentication_over_implicit_tls_succeeds(self, certificate: Certificate) -> None:
        room = SmtpHandler()
        with smtp_server(room, ssl_context=certificate.context) as port:
            outcome = await deliver_one(port, security=SmtpSecurity.TLS, smtp_ca_file=certificate.pem)

        assert outcome is None

    async def test_wrong_password_defers_the_email_and_is_not_reported(self, certificate: Certificate) -> None:
        with smtp_server(
            SmtpHandler(),
            tls_context=certificate.context,
            auth_required=True,
            authenticator=accept_only("acme", "secret"),
        ) as port:
            outcome = await deliver_one(
                port,
                security=SmtpSecurity.STARTTLS,
                smtp_ca_file=certificate.pem,
                smtp_username="acme",
                smtp_password=SecretStr("tiger-wrong"),
            )

        assert isinstance(outcome, DeliveryDeferred)
        assert "535" in str(outcome)
        assert "tiger-wrong" not in str(outcome)

    async def test_required_authentication_defers_the_email_when_there_are_no_credentials(
        self, certificate: Certificate
    ) -> None:
        with smtp_server(
            SmtpHandler(),
            tls_context=certificate.context,
            auth_required=True,
            authenticator=accept_only("acme", "secret"),
        ) as port:
            outcome = await deliver_one(port, security=SmtpSecurity.STARTTLS, smtp_ca_file=certificate.pem)

        assert isinstance(outcome, DeliveryDeferred)

    async def test_authentication_is_not_attempted_without_the_required_encryption(self) -> None:
        room = SmtpHandler()
        with smtp_server(room) as port:
            outcome = await deliver_one(
                port, security=SmtpSecurity.STARTTLS, smtp_username="acme", smtp_password=SecretStr("secret")
            )

        assert isinstance(outcome, DeliveryDeferred)
        assert room.received == []

    async def test_untrusted_certificate_defers_the_email(self, certificate: Certificate) -> None:
        room = SmtpHandler()
        with smtp_server(room, tls_context=certificate.context) as port:
            outcome = await deliver_one(port, security=SmtpSecurity.STARTTLS)

        assert isinstance(outcome, DeliveryDeferred)
        assert "certificate" in str(outcome)


class TestRejections:
    @pytest.mark.parametrize(
        ("where", "reply"),
        [
            ("RCPT ada@example.com", "550 no such user"),
            ("RCPT ada@example.com", "551 user not local"),
            ("MAIL", "553 sender not allowed"),
            ("DATA", "554 looks like spam"),
            ("DATA", "552 too big"),
        ],
    )
    async def test_permanent_rejection_is_not_retryable(self, where: str, reply: str) -> None:
        with smtp_server(SmtpHandler(replies={where: reply})) as port:
            outcome = await deliver_one(port)

        assert isinstance(outcome, DeliveryRefused)
        assert reply in str(outcome)

    @pytest.mark.parametrize(
        ("where", "reply"),
        [
            ("RCPT ada@example.com", "450 mailbox busy"),
            ("RCPT ada@example.com", "452 too many recipients"),
            ("MAIL", "451 try later"),
            ("MAIL", "530 authentication required"),
            ("DATA", "451 greylisted"),
            ("DATA", "421 shutting down"),
        ],
    )
    async def test_temporary_rejection_is_retryable(self, where: str, reply: str) -> None:
        with smtp_server(SmtpHandler(replies={where: reply})) as port:
            outcome = await deliver_one(port)

        assert isinstance(outcome, DeliveryDeferred)
        assert reply[:3] in str(outcome)

    async def test_rejection_of_one_email_does_not_stop_the_others(self) -> None:
        room = SmtpHandler(replies={"RCPT gone@example.com": "550 no such user"})
        with smtp_server(room) as port:
            outcomes = await smtp_provider(port).deliver(
                [make_message(), make_message(to="gone@example.com"), make_message(to="bob@example.com")]
            )

        assert [type(outcome) for outcome in outcomes] == [type(None), DeliveryRefused, type(None)]
        assert [envelope.rcpt_tos for envelope in room.received] == [["ada@example.com"], ["bob@example.com"]]
        assert room.connections == 1

    async def test_rejection_of_some_recipients_is_reported(self) -> None:
        room = SmtpHandler(replies={"RCPT bob@example.com": "550 no such user", "RCPT eve@example.com": "450 busy"})
        message = make_message(cc=(Address("bob@example.com"), Address("eve@example.com")))
        with smtp_server(room) as port:
            outcome = await deliver_one(port, message)

        assert isinstance(outcome, DeliveryDeferred)

    async def test_non_ascii_address_without_smtputf8_is_rejected_permanently(self) -> None:
        with smtp_server(SmtpHandler(), enable_SMTPUTF8=False) as port:
            outcome = await deliver_one(port, make_message(to="用户@example.com"))

        assert isinstance(outcome, DeliveryRefused)

    async def test_international_domain_is_accepted_without_smtputf8(self) -> None:
        room = SmtpHandler()
        with smtp_server(room, enable_SMTPUTF8=False) as port:
            assert await deliver_one(port, make_message(to="ada@bücher.example")) is None

        assert room.received[0].rcpt_tos == ["ada@xn--bcher-kva.example"]


class TestConnectionErrors:
    async def test_closed_port_defers_all_emails(self) -> None:
        outcomes = await smtp_provider(free_port()).deliver([make_message(), make_message()])

        assert [type(outcome) for outcome in outcomes] == [DeliveryDeferred, DeliveryDeferred]

    async def test_check_detects_errors_without_sending(self) -> None:
        with pytest.raises(DeliveryDeferred):
            await smtp_provider(free_port()).check()
        room = SmtpHandler()
        with smtp_server(room) as port:
            await smtp_provider(port).check()
        assert room.received == []

    async def test_unknown_host_defers_the_email(self) -> None:
        outcome = await deliver_one(25, smtp_host="mail.invalid")

        assert isinstance(outcome, DeliveryDeferred)

    async def test_silent_server_times_out(self) -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            outcome = await deliver_one(mute.getsockname()[1], smtp_timeout=0.2)

        assert isinstance(outcome, DeliveryDeferred)
        assert "in time" in str(outcome)

    async def test_server_that_hangs_during_delivery_times_out(self, hanging: asyncio.Event) -> None:
        with smtp_server(SmtpHandler(hang=hanging)) as port:
            outcome = await deliver_one(port, smtp_timeout=0.3)

        assert isinstance(outcome, DeliveryDeferred)

    async def test_server_of_another_protocol_defers_the_email(self) -> None:
        async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
            outcome = await deliver_one(server.sockets[0].getsockname()[1])

        assert isinstance(outcome, DeliveryDeferred)

    async def test_lost_connection_is_replaced_for_the_next_email(self) -> None:
        room = SmtpHandler(dropped_connections=1)
        with smtp_server(room) as port:
            outcomes = await smtp_provider(port).deliver([make_message(subject="lost"), make_message(subject="kept")])

        assert [type(outcome) for outcome in outcomes] == [DeliveryDeferred, type(None)]
        assert [parse(envelope.original_content)["Subject"] for envelope in room.received] == ["kept"]

    async def test_missing_host_is_a_configuration_error(self) -> None:
        with pytest.raises(ConfigurationError, match="SMTP_HOST"):
            await SmtpProvider(EmailSettings()).deliver([make_message()])

    async def test_missing_ca_file_is_a_configuration_error(self, tmp_path) -> None:
        with pytest.raises(ConfigurationError, match="SMTP_CA_FILE"):
            await deliver_one(25, security=SmtpSecurity.TLS, smtp_ca_file=tmp_path / "none.pem")
