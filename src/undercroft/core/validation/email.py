"""Email addresses and their normalization."""

import unicodedata
from functools import cache
from typing import Annotated

from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError

from undercroft.core.validation.schema import Normalized

EMAIL_LENGTH = 254
ALLOWED_SPECIAL_DOMAINS = ("local", "localhost", "test")
"""Top-level domains of private networks and tests, which email-validator refuses."""


def split_email(value: str, *, public: bool) -> tuple[str, str, str]:
    """Return the local part, the domain in Unicode and the domain in ASCII. Checks the syntax, without DNS.

    `public` requires a dot in the domain. Raises `ValueError` with a message for users.
    """
    import email_validator

    special = value.lower().endswith(
        tuple(f"{separator}{name}" for separator in "@." for name in ALLOWED_SPECIAL_DOMAINS)
    )
    suffix = ".com" if special else ""  # its list of refused domains is shared with the rest of the process
    valid = email_validator.validate_email(
        value + suffix, check_deliverability=False, globally_deliverable=public, strict=True
    )
    domain = valid.domain.removesuffix(suffix)
    if public and "." not in domain:
        raise ValueError("The part after the @-sign is not valid. It should have a period.")
    return valid.local_part, domain, valid.ascii_domain.removesuffix(suffix)


def normalize_email(value: str) -> str:
    """The normalized address of an account: trimmed, lowercase, NFC, the domain in Unicode.

    RFC 5321 allows a server to distinguish `Ada@` from `ada@`, but no common one does, and two accounts of one person
    would be worse: the local part is lowercased too. Dots and `+tags` are preserved, because providers treat them
    differently. Raises `ValueError`.
    """
    local, domain, _ = split_email(unicodedata.normalize("NFC", value.strip().lower()), public=True)
    return f"{local}@{domain}"


def _normalize_email_field(value: str) -> str:
    if len(value.strip()) > EMAIL_LENGTH:
        raise PydanticCustomError("email", "Use at most 254 characters.")
    try:
        return normalize_email(value)
    except ValueError as error:
        raise PydanticCustomError("email", "Enter a valid email address: {reason}", {"reason": str(error)}) from None


Email = Annotated[str, Normalized(_normalize_email_field, EMAIL_LENGTH, 3, format="email", example="ada@example.com")]
"""An email address, normalized by `normalize_email`, so that a unique column ensures one account per address."""


def parse_email(value: str) -> str:
    """Validate and normalize an address that comes without a schema. Raises `ValidationError`."""
    return _adapter().validate_python(value)


@cache
def _adapter() -> TypeAdapter[str]:
    return TypeAdapter(Email)
