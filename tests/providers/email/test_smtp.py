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


async def test_the_envelope_names_sender_and_all_recipients_and_hides_bcc() -> None:
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


async def test_bulk_mail_goes_over_one_connection() -> None:
    room = SmtpHandler()
    with smtp_server(room) as port:
        await smtp_provider(port).deliver([make_message() for _ in range(10)])

    assert (len(room.received), room.connections) == (10, 1)


class TestSigningIn:
    async def test_over_starttls_with_the_right_password(self, certificate: Certificate) -> None:
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

    async def test_over_tls_from_the_first_byte(self, certificate: Certificate) -> None:
        room = SmtpHandler()
        with smtp_server(room, ssl_context=certificate.context) as port:
            outcome = await deliver_one(port, security=SmtpSecurity.TLS, smtp_ca_file=certificate.pem)

        assert outcome is None

    async def test_with_a_wrong_password_is_deferred_and_tells_no_password(self, certificate: Certificate) -> None:
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

    async def test_that_the_server_asks_for_is_deferred_when_there_are_no_credentials(
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

    async def test_is_never_tried_without_the_encryption_that_was_asked_for(self) -> None:
        room = SmtpHandler()
        with smtp_server(room) as port:
            outcome = await deliver_one(
                port, security=SmtpSecurity.STARTTLS, smtp_username="acme", smtp_password=SecretStr("secret")
            )

        assert isinstance(outcome, DeliveryDeferred)
        assert room.received == []

    async def test_never_happens_with_a_server_whose_certificate_nobody_vouches_for(
        self, certificate: Certificate
    ) -> None:
        room = SmtpHandler()
        with smtp_server(room, tls_context=certificate.context) as port:
            outcome = await deliver_one(port, security=SmtpSecurity.STARTTLS)

        assert isinstance(outcome, DeliveryDeferred)
        assert "certificate" in str(outcome)


class TestRefusals:
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
    async def test_that_are_permanent_are_not_tried_again(self, where: str, reply: str) -> None:
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
    async def test_that_are_temporary_are_tried_again(self, where: str, reply: str) -> None:
        with smtp_server(SmtpHandler(replies={where: reply})) as port:
            outcome = await deliver_one(port)

        assert isinstance(outcome, DeliveryDeferred)
        assert reply[:3] in str(outcome)

    async def test_of_one_mail_stop_no_other(self) -> None:
        room = SmtpHandler(replies={"RCPT gone@example.com": "550 no such user"})
        with smtp_server(room) as port:
            outcomes = await smtp_provider(port).deliver(
                [make_message(), make_message(to="gone@example.com"), make_message(to="bob@example.com")]
            )

        assert [type(outcome) for outcome in outcomes] == [type(None), DeliveryRefused, type(None)]
        assert [envelope.rcpt_tos for envelope in room.received] == [["ada@example.com"], ["bob@example.com"]]
        assert room.connections == 1

    async def test_of_some_recipients_are_not_silent(self) -> None:
        room = SmtpHandler(replies={"RCPT bob@example.com": "550 no such user", "RCPT eve@example.com": "450 busy"})
        message = make_message(cc=(Address("bob@example.com"), Address("eve@example.com")))
        with smtp_server(room) as port:
            outcome = await deliver_one(port, message)

        assert isinstance(outcome, DeliveryDeferred)

    async def test_of_addresses_that_the_server_cannot_spell_are_permanent(self) -> None:
        with smtp_server(SmtpHandler(), enable_SMTPUTF8=False) as port:
            outcome = await deliver_one(port, make_message(to="用户@example.com"))

        assert isinstance(outcome, DeliveryRefused)

    async def test_do_not_concern_an_international_domain_which_every_server_takes(self) -> None:
        room = SmtpHandler()
        with smtp_server(room, enable_SMTPUTF8=False) as port:
            assert await deliver_one(port, make_message(to="ada@bücher.example")) is None

        assert room.received[0].rcpt_tos == ["ada@xn--bcher-kva.example"]


class TestTrouble:
    async def test_nobody_listens(self) -> None:
        outcomes = await smtp_provider(free_port()).deliver([make_message(), make_message()])

        assert [type(outcome) for outcome in outcomes] == [DeliveryDeferred, DeliveryDeferred]

    async def test_is_found_by_a_check_without_sending(self) -> None:
        with pytest.raises(DeliveryDeferred):
            await smtp_provider(free_port()).check()
        room = SmtpHandler()
        with smtp_server(room) as port:
            await smtp_provider(port).check()
        assert room.received == []

    async def test_a_host_that_does_not_exist(self) -> None:
        outcome = await deliver_one(25, smtp_host="mail.invalid")

        assert isinstance(outcome, DeliveryDeferred)

    async def test_a_server_that_says_nothing_times_out(self) -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            outcome = await deliver_one(mute.getsockname()[1], smtp_timeout=0.2)

        assert isinstance(outcome, DeliveryDeferred)
        assert "in time" in str(outcome)

    async def test_a_server_that_never_takes_the_mail_times_out(self, hanging: asyncio.Event) -> None:
        with smtp_server(SmtpHandler(hang=hanging)) as port:
            outcome = await deliver_one(port, smtp_timeout=0.3)

        assert isinstance(outcome, DeliveryDeferred)

    async def test_something_that_is_no_mail_server(self) -> None:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            outcome = await deliver_one(server.sockets[0].getsockname()[1])

        assert isinstance(outcome, DeliveryDeferred)

    async def test_a_connection_lost_mid_mail_is_made_anew_for_the_next(self) -> None:
        room = SmtpHandler(dropped_connections=1)
        with smtp_server(room) as port:
            outcomes = await smtp_provider(port).deliver([make_message(subject="lost"), make_message(subject="kept")])

        assert [type(outcome) for outcome in outcomes] == [DeliveryDeferred, type(None)]
        assert [parse(envelope.original_content)["Subject"] for envelope in room.received] == ["kept"]

    async def test_no_host_at_all_is_said_in_a_sentence(self) -> None:
        with pytest.raises(ConfigurationError, match="SMTP_HOST"):
            await SmtpProvider(EmailSettings()).deliver([make_message()])

    async def test_a_missing_file_of_authorities_is_said_in_a_sentence(self, tmp_path) -> None:
        with pytest.raises(ConfigurationError, match="SMTP_CA_FILE"):
            await deliver_one(25, security=SmtpSecurity.TLS, smtp_ca_file=tmp_path / "none.pem")
