"""Email addresses with display names."""

from email.utils import getaddresses

from msgspec import Struct
from msgspec.structs import force_setattr

from undercroft.core.validation.email import split_email
from undercroft.providers.email.errors import InvalidMessage
from undercroft.providers.email.headers import encoded_words, require_one_line

NAME_LENGTH = 200


class Address(Struct, frozen=True):
    """Sender or recipient of an email. Raises `InvalidMessage` for addresses that RFC 5322 or RFC 6531 do not allow.

    The domain is stored in its ASCII form (IDNA 2008), which every mail server accepts. A non-ASCII local part is
    unchanged and requires a server with SMTPUTF8.
    """

    email: str
    name: str = ""

    def __post_init__(self) -> None:
        require_one_line(self.name, "The display name of an address")
        if len(self.name) > NAME_LENGTH:
            raise InvalidMessage(f"The display name of an address must have at most {NAME_LENGTH} characters.")
        force_setattr(self, "name", self.name.strip())
        force_setattr(self, "email", _normalize_email(self.email))

    @classmethod
    def parse(cls, value: "str | Address") -> "Address":
        """Parse `ada@example.com` or `Ada Lovelace <ada@example.com>`. Raises `InvalidMessage`."""
        if isinstance(value, Address):
            return value
        require_one_line(value, "An address")
        if "<" not in value:
            return cls(value.strip())
        addresses = getaddresses([value])
        if len(addresses) != 1:
            raise InvalidMessage("Use exactly one address, such as Ada Lovelace <ada@example.com>.")
        name, email = addresses[0]
        return cls(email, name)

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]

    def header(self) -> str:
        """Format for a header (RFC 5322, section 3.4): the name is quoted, or in encoded words if it is not ASCII."""
        if not self.name:
            return self.email
        if not self.name.isascii() or "=?" in self.name:
            return f"{encoded_words(self.name)} <{self.email}>"
        quoted = self.name.replace("\\", r"\\").replace('"', r"\"")
        return f'"{quoted}" <{self.email}>'

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


def _normalize_email(email: str) -> str:
    require_one_line(email, "An address")
    try:
        local, _, domain = split_email(email, public=False)
    except ValueError as error:
        raise InvalidMessage(f"Invalid email address: {error}") from None
    return f"{local}@{domain}"
