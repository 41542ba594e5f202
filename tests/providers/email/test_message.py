import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.email.conftest import make_message, parse
from undercroft.providers.email import Address, Attachment, EmailMessage, InvalidMessage

HOSTILE_LINES = [
    "Hello\r\nBcc: eve@example.com",
    "Hello\nBcc: eve@example.com",
    "Hello\rBcc: eve@example.com",
    "Hello\r\n\r\n<script>",
    "Hello\x00",
    "Hello\x0b",
    "Hello\x85Bcc: eve@example.com",
    "Hello\u2028Bcc: eve@example.com",
    "Hello\ud800",
]


class TestHeaderInjection:
    @pytest.mark.parametrize("hostile", HOSTILE_LINES)
    def test_subject_with_control_characters_is_refused(self, hostile: str) -> None:
        with pytest.raises(InvalidMessage):
            make_message(subject=hostile)

    @pytest.mark.parametrize("hostile", HOSTILE_LINES)
    def test_display_name_with_control_characters_is_refused(self, hostile: str) -> None:
        with pytest.raises(InvalidMessage):
            Address("ada@example.com", hostile)

    @pytest.mark.parametrize("hostile", HOSTILE_LINES)
    def test_extra_header_with_control_characters_is_refused(self, hostile: str) -> None:
        with pytest.raises(InvalidMessage):
            make_message(headers={"X-Note": hostile})

    @pytest.mark.parametrize("hostile", HOSTILE_LINES)
    def test_file_name_with_control_characters_is_refused(self, hostile: str) -> None:
        with pytest.raises(InvalidMessage):
            Attachment(filename=hostile, content=b"")

    @pytest.mark.parametrize(
        "hostile",
        [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com, eve@example.com",
            "ada@example.com> <eve@example.com",
            "<ada@example.com>, <eve@example.com>",
            "ada@example.com> SIZE=1",
            '"ada\r\n"@example.com',
            "ada@example.com\x00.evil.example",
            "ada",
            "",
        ],
    )
    def test_invalid_address_is_refused(self, hostile: str) -> None:
        with pytest.raises(InvalidMessage):
            Address.parse(hostile)

    @pytest.mark.parametrize("hostile", ["=?utf-8?q?a=0ABcc:_eve=40example.com?=", "=?utf-8?b?DQpCY2M6IGVAZS5kZQ==?="])
    def test_encoded_newline_does_not_break_the_header(self, hostile: str) -> None:
        raw = make_message(
            to="ada@example.com",
            subject=hostile,
            headers={"X-Note": hostile},
            cc=(Address("bob@example.com", hostile),),
        ).to_bytes()

        assert b"\nBcc" not in raw
        mail = parse(raw)
        assert mail["Subject"] == hostile
        assert mail["X-Note"] == hostile
        assert [address.addr_spec for address in mail["Cc"].addresses] == ["bob@example.com"]

    @pytest.mark.parametrize(
        "name", ["Bcc", "from", "Content-Type", "Message-ID", "X Note", "X-Note:", "", "X\r\nBcc", "Ü"]
    )
    def test_invalid_header_name_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidMessage):
            make_message(headers={name: "x"})

    @pytest.mark.parametrize("identity", ["job-1", "<a b@c.d>", "<a@b>\r\nBcc: x", "<@b>", "<a@b"])
    def test_invalid_message_id_is_refused(self, identity: str) -> None:
        with pytest.raises(InvalidMessage):
            make_message(message_id=identity)

    @pytest.mark.parametrize(
        "url", ["javascript:1", "https://a.b/>,<mailto:x", "https://a.b/\r\nBcc: x", "https://ü.de"]
    )
    def test_invalid_unsubscribe_url_is_refused(self, url: str) -> None:
        with pytest.raises(InvalidMessage):
            make_message(unsubscribe_url=url)

    @given(st.text(max_size=120), st.text(max_size=300), st.text(max_size=2000))
    def test_any_text_stays_in_its_header(self, name: str, subject: str, text: str) -> None:
        try:
            message = make_message(cc=(Address("bob@example.com", name),), subject=subject, text=text)
        except InvalidMessage:
            return
        raw = message.to_bytes()
        mail = parse(raw)
        names = [key.lower() for key in mail]
        expected = ["from", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type"]
        assert sorted(names) == sorted([*expected, "content-transfer-encoding"])
        assert [address.addr_spec for address in mail["Cc"].addresses] == ["bob@example.com"]
        assert [address.addr_spec for address in mail["To"].addresses] == ["ada@example.com"]
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "Lovelace, Ada",
        'Ada "the first"',
        "back\\slash",
        "Zoë Ünal",
        "Ünal, Zoë <eve@example.com>",
        "李" * 10,
    ],
)
def test_display_name_is_parsed_unchanged(name: str) -> None:
    (address,) = parse(make_message(cc=(Address("bob@example.com", name),)).to_bytes())["Cc"].addresses
    assert (address.display_name, address.addr_spec) == (name, "bob@example.com")


@pytest.mark.parametrize(
    "subject", ["Hello", "Grüße", "你好" * 50, "a " * 200 + "b", "x" * 400, "Re: [x] =?utf-8?q?a?="]
)
def test_subject_is_parsed_unchanged(subject: str) -> None:
    assert parse(make_message(subject=subject).to_bytes())["Subject"] == subject


@pytest.mark.parametrize("subject", ["", "x" * 501])
def test_subject_length_is_limited(subject: str) -> None:
    with pytest.raises(InvalidMessage):
        make_message(subject=subject)


def test_email_without_recipients_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="at least one recipient"):
        EmailMessage(sender=Address("a@example.com"), to=(), subject="x", text="x")


def test_serialized_email_has_the_required_headers() -> None:
    sent = datetime.datetime(2026, 5, 3, 10, tzinfo=datetime.UTC)
    mail = parse(make_message(date=sent, html="<p>Hi</p>", reply_to=(Address("help@acme.example"),)).to_bytes())

    assert mail["From"] == "Acme <no-reply@acme.example>"
    assert mail["Reply-To"] == "help@acme.example"
    assert mail["Date"].datetime == sent
    assert mail["MIME-Version"] == "1.0"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_message_ids_differ_unless_one_is_given() -> None:
    assert make_message().message_id != make_message().message_id
    assert make_message(message_id="<a@b.example>").message_id == "<a@b.example>"


def test_unsubscribe_url_adds_both_one_click_headers() -> None:
    mail = parse(make_message(unsubscribe_url="https://acme.example/u?t=1").to_bytes())

    assert mail["List-Unsubscribe"] == "<https://acme.example/u?t=1>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_attachments_arrive_unchanged() -> None:
    files = (
        Attachment(filename="Rechnung März.pdf", content=b"%PDF-1.7\r\n\x00\xff" * 100, content_type="application/pdf"),
        Attachment(filename="notes.txt", content=b"a\nb\r\n", content_type="text/plain"),
    )
    mail = parse(make_message(html="<p>Hi</p>", attachments=files).to_bytes())

    arrived = list(mail.iter_attachments())
    assert [part.get_filename() for part in arrived] == ["Rechnung März.pdf", "notes.txt"]
    assert [part.get_payload(decode=True) for part in arrived] == [file.content for file in files]
    assert mail.get_body(("html",)).get_content().strip() == "<p>Hi</p>"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\\b", 'a"b', "x" * 256])
def test_a_file_name_with_a_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidMessage):
        Attachment(filename=name, content=b"")


@pytest.mark.parametrize("kind", ["", "pdf", "a/b/c", "text/plain; charset=x", "text/plain\r\nBcc: x"])
def test_invalid_content_type_is_refused(kind: str) -> None:
    with pytest.raises(InvalidMessage):
        Attachment(filename="a", content=b"", content_type=kind)


def test_repr_contains_no_content() -> None:
    assert "secret-token" not in repr(make_message(text="https://acme.example/?t=secret-token", html="secret-token"))
