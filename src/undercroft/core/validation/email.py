"""Mail addresses: one person, one spelling."""

import unicodedata
from functools import cache
from typing import Annotated

from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError

from undercroft.core.validation.normalized import Normalized

EMAIL_LENGTH = 254
ALLOWED_SPECIAL_DOMAINS = ("local", "localhost", "test")
"""Top-level names of private networks and tests, which email-validator would refuse (its list is open to change)."""


def split_email(value: str, *, public: bool) -> tuple[str, str, str]:
    """The local part, the domain in Unicode and the domain in ASCII, checked for syntax without asking the DNS.

    `public` also asks for a dot in the domain, as every address on the internet has. Raises `ValueError` with a text
    for people.
    """
    import email_validator

    for name in ALLOWED_SPECIAL_DOMAINS:
        if name in email_validator.SPECIAL_USE_DOMAIN_NAMES:
            email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(name)
    valid = email_validator.validate_email(value, check_deliverability=False, globally_deliverable=public, strict=True)
    return valid.local_part, valid.domain, valid.ascii_domain


def normalize_email(value: str) -> str:
    """The one spelling under which an account is kept: trimmed, lower case, NFC, the domain in Unicode.

    RFC 5321 lets a server tell `Ada@` from `ada@`, but none in use does, and two accounts of one person would be the
    greater harm: the local part is lower-cased too. Dots and `+tags` are kept, because there providers do differ.
    Raises `ValueError`.
    """
    local, domain, _ = split_email(unicodedata.normalize("NFC", value.strip().lower()), public=True)
    return f"{local}@{domain}"


def _normalize_email_field(value: str) -> str:
    if len(value.strip()) > EMAIL_LENGTH:
        raise PydanticCustomError("email", "A mail address may have 254 characters.")
    try:
        return normalize_email(value)
    except ValueError as error:
        raise PydanticCustomError("email", "This is not a mail address: {reason}", {"reason": str(error)}) from None


Email = Annotated[str, Normalized(_normalize_email_field, EMAIL_LENGTH, 3, format="email", example="ada@example.com")]
"""A mail address in the one spelling of `normalize_email`, so that a unique column is enough for one account each."""


def parse_email(value: str) -> str:
    """What a field of this type makes of it, for addresses that come without a schema. Raises `ValidationError`."""
    return _adapter().validate_python(value)


@cache
def _adapter() -> TypeAdapter[str]:
    return TypeAdapter(Email)
