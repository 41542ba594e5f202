"""Protocol of email providers."""

from collections.abc import Sequence
from typing import Protocol

from undercroft.providers.email.errors import EmailError
from undercroft.providers.email.message import EmailMessage

DeliveryResult = EmailError | None


class EmailProvider(Protocol):
    """Delivers emails. Each provider has its own module in this package."""

    async def deliver(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        """Deliver all messages, over one connection if the provider uses connections.

        Returns one result per message, in their order: None if it was accepted, else `DeliveryRefused` (permanent) or
        `DeliveryDeferred` (retry later). A failure does not stop the other messages. Raises `ConfigurationError` if the
        settings are invalid.
        """
        ...

    async def check(self) -> None:
        """Check without sending an email whether emails can be delivered. Raises the error that prevents it."""
        ...
