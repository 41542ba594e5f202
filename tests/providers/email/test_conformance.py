"""Behavior that all email providers share."""

from tests.providers.email.conftest import Delivered, ProviderCase, make_message


async def test_email_arrives_with_its_subject_text_and_message_id(provider_case: ProviderCase) -> None:
    message = make_message(subject="Hello", text="How are you?", message_id="<job-1@acme.example>")

    assert await provider_case.provider.deliver([message]) == [None]

    assert provider_case.delivered() == [Delivered("<job-1@acme.example>", "Hello", "How are you?")]


async def test_every_script_arrives_unchanged(provider_case: ProviderCase) -> None:
    message = make_message(
        to="Zoë Ünal <zoe@example.com>", subject="你好, Zoë — ça va? 🎉", text="Grüße aus Köln\n\n日本語"
    )

    assert await provider_case.provider.deliver([message]) == [None]

    assert provider_case.delivered() == [
        Delivered(message.message_id, "你好, Zoë — ça va? 🎉", "Grüße aus Köln\n\n日本語")
    ]


async def test_non_ascii_address_is_accepted(provider_case: ProviderCase) -> None:
    message = make_message(to="用户@例え.jp")

    assert await provider_case.provider.deliver([message]) == [None]

    assert [mail.message_id for mail in provider_case.delivered()] == [message.message_id]


async def test_many_emails_arrive_once_and_in_order(provider_case: ProviderCase) -> None:
    messages = [make_message(to=f"user{number}@example.com", subject=f"No. {number}") for number in range(20)]

    assert await provider_case.provider.deliver(messages) == [None] * 20

    assert [mail.subject for mail in provider_case.delivered()] == [f"No. {number}" for number in range(20)]


async def test_a_check_delivers_nothing(provider_case: ProviderCase) -> None:
    await provider_case.provider.check()
    assert provider_case.delivered() == []


async def test_empty_list_of_emails_is_accepted(provider_case: ProviderCase) -> None:
    assert await provider_case.provider.deliver([]) == []
    assert provider_case.delivered() == []


async def test_long_line_and_single_dot_arrive_unchanged(provider_case: ProviderCase) -> None:
    text = "x" * 5000 + "\n.\n..\nFrom here on"

    assert await provider_case.provider.deliver([make_message(text=text)]) == [None]

    assert provider_case.delivered()[0].text == text
