"""Second factors over HTTP."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator

from undercroft.core.validation import Schema, single_line
from undercroft.modules.auth import Kind, Password, SessionKind, Token
from undercroft.modules.mfa.models import NAME_LENGTH, Passkey

SEPARATOR_CATEGORIES = frozenset({"Zs", "Pd", "Cc", "Cf"})
"""Categories of what stands between the groups of a code: spaces, dashes, and what cannot be seen."""

Base64Url = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9_-]+=*$")]
LongBase64Url = Annotated[str, Field(min_length=1, max_length=32_768, pattern=r"^[A-Za-z0-9_-]+=*$")]
PasskeyName = Annotated[str, single_line(NAME_LENGTH)]
Options = Annotated[dict[str, Any], Field(description="For `PublicKeyCredential.parse…OptionsFromJSON`.")]


def normalize_code(value: object) -> object:
    """A code as people type or paste it: without the spaces and hyphens between its groups, and in ASCII (NFKC)."""
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
        "Six digits, as the authenticator app shows them; spaces and hyphens between them are ignored.",
        "492039",
        11,
        "^[0-9](?:[ -]?[0-9]){5}$",
    ),
]
RecoveryCodeInput = Annotated[
    SecretStr,
    Field(min_length=1, max_length=64),
    _code_schema("One of the recovery codes, in any case and grouping.", "k7fp-2mxq-9trw-hd4v", 64, "^.+$"),
]


class AssertionResponse(Schema):
    client_data_json: LongBase64Url = Field(alias="clientDataJSON")
    authenticator_data: LongBase64Url = Field(alias="authenticatorData")
    signature: Base64Url
    user_handle: Base64Url | None = Field(None, alias="userHandle")


class Assertion(Schema):
    """What `navigator.credentials.get()` gave, by its `toJSON()` (WebAuthn 3, AuthenticationResponseJSON)."""

    id: Base64Url
    raw_id: Base64Url = Field(alias="rawId")
    type: Literal["public-key"]
    response: AssertionResponse


class AttestationResponse(Schema):
    client_data_json: LongBase64Url = Field(alias="clientDataJSON")
    attestation_object: LongBase64Url = Field(alias="attestationObject")
    transports: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20)] = []


class Attestation(Schema):
    """What `navigator.credentials.create()` gave, by its `toJSON()` (WebAuthn 3, RegistrationResponseJSON)."""

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
            raise ValueError("Give exactly one way to prove that it is you.")
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
    backed_up: bool = Field(description="Whether a copy is kept, in a cloud for example.")

    @classmethod
    def of(cls, passkey: Passkey) -> "PasskeyRead":
        return cls.model_validate(passkey, from_attributes=True)


class MfaRead(Schema):
    """What signing in asks for besides the password."""

    enabled: bool
    totp: bool = Field(description="Whether there is an authenticator app.")
    passkeys: list[PasskeyRead]
    recovery_codes_left: int
    required_by: list[str] = Field(description="The teams that let in only who passed two-step sign-in.")


class TotpStarted(Schema):
    """For an authenticator app. Shown once."""

    secret: str = Field(description="Base32, to be typed where nothing can be scanned.")
    uri: str = Field(description="`otpauth://totp/…`, what the QR code says.")
    qr_code: str = Field(description="The QR code as a `data:` address of an SVG.")
    expires_in: int = Field(description="Seconds in which to confirm it.")


class ConfirmTotp(Schema):
    code: Code


class RecoveryCodes(Schema):
    """Shown once; the earlier ones are void."""

    recovery_codes: list[str]


class TotpConfirmed(Schema):
    recovery_codes: list[str] | None = Field(description="Shown once; null where there are some already.")


class PasskeyCreated(Schema):
    passkey: PasskeyRead
    recovery_codes: list[str] | None = Field(description="Shown once; null where there are some already.")


class OptionsResponse(Schema):
    options: Options
