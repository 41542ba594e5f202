"""Request and response schemas of second factors."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator

from undercroft.core.validation import Schema, single_line
from undercroft.modules.auth import Kind, Password, SessionKind, Token
from undercroft.modules.mfa.models import NAME_LENGTH, Passkey

SEPARATOR_CATEGORIES = frozenset({"Zs", "Pd", "Cc", "Cf"})
"""Unicode categories of separators between the groups of a code: spaces, dashes and invisible characters."""

Base64Url = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9_-]+=*$")]
LongBase64Url = Annotated[str, Field(min_length=1, max_length=32_768, pattern=r"^[A-Za-z0-9_-]+=*$")]
PasskeyName = Annotated[str, single_line(NAME_LENGTH)]
Options = Annotated[dict[str, Any], Field(description="For `PublicKeyCredential.parse…OptionsFromJSON`.")]


def normalize_code(value: object) -> object:
    """Normalize a typed or pasted code: remove spaces and hyphens between its groups and convert it to ASCII (NFKC)."""
    if not isinstance(value, str):
        return value
    return "".join(
        each for each in unicodedata.normalize("NFKC", value) if unicodedata.category(each) not in SEPARATOR_CATEGORIES
    )


def _code_schema(description: str, example: str, longest: int, pattern: str) -> Any:
    schema = {
        "type": "string",
        "minLength": 1,
        "maxLength": longest,
        "pattern": pattern,
        "description": description,
        "examples": [example],
    }
    return WithJsonSchema(schema)


Code = Annotated[
    str,
    Field(pattern=r"^[0-9]{6}$"),
    BeforeValidator(normalize_code),
    _code_schema(
        "Six-digit code of the authenticator app. Spaces and hyphens are ignored.",
        "492039",
        11,
        "^[0-9](?:[ -]?[0-9]){5}$",
    ),
]
RecoveryCodeInput = Annotated[
    SecretStr,
    Field(min_length=1, max_length=64),
    _code_schema("Unused recovery code. Case and separators are ignored.", "k7fp-2mxq-9trw-hd4v", 64, "^.+$"),
]


class AssertionResponse(Schema):
    client_data_json: LongBase64Url = Field(alias="clientDataJSON")
    authenticator_data: LongBase64Url = Field(alias="authenticatorData")
    signature: Base64Url
    user_handle: Base64Url | None = Field(None, alias="userHandle")


class Assertion(Schema):
    """Result of `navigator.credentials.get()` as `toJSON()` returns it (WebAuthn 3, AuthenticationResponseJSON)."""

    id: Base64Url
    raw_id: Base64Url = Field(alias="rawId")
    type: Literal["public-key"]
    response: AssertionResponse


class AttestationResponse(Schema):
    client_data_json: LongBase64Url = Field(alias="clientDataJSON")
    attestation_object: LongBase64Url = Field(alias="attestationObject")
    transports: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20)] = []


class Attestation(Schema):
    """Result of `navigator.credentials.create()` as `toJSON()` returns it (WebAuthn 3, RegistrationResponseJSON)."""

    id: Base64Url
    raw_id: Base64Url = Field(alias="rawId")
    type: Literal["public-key"]
    response: AttestationResponse


class MfaCredential(Schema):
    """One second factor."""

    code: Code | None = None
    recovery_code: RecoveryCodeInput | None = None
    passkey: Assertion | None = None

    @property
    def provided_methods(self) -> list[str]:
        return [name for name in type(self).model_fields if name in _METHODS and getattr(self, name) is not None]

    @model_validator(mode="after")
    def _require_exactly_one_method(self) -> Self:
        if len(self.provided_methods) != 1:
            raise ValueError("Send exactly one credential.")
        return self


_METHODS = frozenset({"code", "recovery_code", "passkey", "password"})


class StepUp(MfaCredential):
    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "492039"}]})

    password: Password | None = None


class VerifySignIn(MfaCredential):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"mfa_token": "hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE", "code": "492039"}]}
    )

    mfa_token: Token


class MfaToken(Schema):
    mfa_token: Token


class PasskeySignIn(Schema):
    passkey: Assertion
    session: Kind = SessionKind.BEARER


class PasskeyCreate(Schema):
    model_config = ConfigDict(extra="forbid")

    name: PasskeyName = "Passkey"
    credential: Attestation


class PasskeyUpdate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Blue key"}]})

    name: PasskeyName


class PasskeyRead(Schema):
    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    backed_up: bool = Field(description="Whether the passkey is backed up, for example in a cloud.")

    @classmethod
    def of(cls, passkey: Passkey) -> "PasskeyRead":
        return cls.model_validate(passkey, from_attributes=True)


class MfaRead(Schema):
    """Second factors of the current user."""

    enabled: bool
    totp: bool = Field(description="Whether an authenticator app is set up.")
    passkeys: list[PasskeyRead]
    recovery_codes_left: int
    required_by: list[str] = Field(description="Names of the user's teams that require two-factor authentication.")


class TotpStarted(Schema):
    """Secret of a new authenticator app, shown only once."""

    secret: str = Field(description="Secret in Base32, for manual entry.")
    uri: str = Field(description="Content of the QR code (`otpauth://totp/…`).")
    qr_code: str = Field(description="QR code as a `data:` URL of an SVG image.")
    expires_in: int = Field(description="Seconds until the setup expires.")


class ConfirmTotp(Schema):
    code: Code


class RecoveryCodes(Schema):
    """New recovery codes, shown only once. The previous codes no longer work."""

    recovery_codes: list[str]


class TotpConfirmed(Schema):
    recovery_codes: list[str] | None = Field(
        description="Recovery codes, shown only once; null if codes already exist."
    )


class PasskeyCreated(Schema):
    passkey: PasskeyRead
    recovery_codes: list[str] | None = Field(
        description="Recovery codes, shown only once; null if codes already exist."
    )


class OptionsResponse(Schema):
    options: Options
