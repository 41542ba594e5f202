"""What every provider of outgoing mail is."""

from collections.abc import Sequence
from typing import Protocol

from undercroft.providers.email.errors import EmailError
from undercroft.providers.email.message import EmailMessage

DeliveryResult = EmailError | None


class EmailProvider(Protocol):
    """Takes mails to where they go; one file beside this one per provider."""

    async def deliver(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        """Deliver all of them, over one connection where there is such a thing.

        One outcome per mail, in their order: None when it was taken, else the error that stopped it:
        `DeliveryRefused` (for good) or `DeliveryDeferred` (try again). One mail's failure stops no other. Raises
        `ConfigurationError` when the settings do not allow sending at all.
        """
        ...

    async def check(self) -> None:
        """Find out whether mails can be delivered, without one: returns, or raises what would stop them."""
        ...
