"""Request and response schemas of second factors."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator

from undercroft.core.validation import Schema, single_line
from undercroft.modules.auth import Password
from undercroft.modules.mfa.models import NAME_LENGTH
from undercroft.modules.sessions import Kind, SessionKind, Token

SEPARATOR_CATEGORIES = frozenset({"Zs", "Pd", "Cc", "Cf"})
"""Unicode categories of separators between the groups of a code: spaces, dashes and invisible characters."""

_BASE64_URL: Any = {"min_length": 1, "pattern": r"^[A-Za-z0-9_-]+=*$", "examples": ["hTq1nYk3Vb0fJ7cD2sXwR9"]}
Base64Url = Annotated[str, Field(max_length=2048, **_BASE64_URL)]
LongBase64Url = Annotated[str, Field(max_length=32_768, **_BASE64_URL)]
CredentialId = Annotated[Base64Url, Field(description="ID of the credential, in Base64url.")]
CredentialType = Annotated[Literal["public-key"], Field(description="Type of the credential.")]
ClientData = Annotated[LongBase64Url, Field(description="JSON data of the client that the authenticator signed.")]
NewRecoveryCodes = Annotated[list[str], Field(examples=[["k7fp-2mxq-9trw-hd4v"]])]
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
    """Response of the authenticator to a sign-in; binary values are in Base64url."""

    client_data_json: ClientData = Field(alias="clientDataJSON")
    authenticator_data: LongBase64Url = Field(alias="authenticatorData", description="Authenticator data.")
    signature: Base64Url = Field(description="Signature of the authenticator.")
    user_handle: Base64Url | None = Field(None, alias="userHandle", description="User handle of the passkey.")


class Assertion(Schema):
    """Result of `navigator.credentials.get()` as `toJSON()` returns it (WebAuthn 3, AuthenticationResponseJSON)."""

    id: CredentialId
    raw_id: CredentialId = Field(alias="rawId")
    type: CredentialType
    response: AssertionResponse


class AttestationResponse(Schema):
    """Response of the authenticator to a registration; binary values are in Base64url."""

    client_data_json: ClientData = Field(alias="clientDataJSON")
    attestation_object: LongBase64Url = Field(alias="attestationObject", description="Attestation object.")
    transports: list[Annotated[str, Field(max_length=64)]] = Field(
        [], max_length=20, description="Ways to reach the authenticator.", examples=[["internal"]]
    )


class Attestation(Schema):
    """Result of `navigator.credentials.create()` as `toJSON()` returns it (WebAuthn 3, RegistrationResponseJSON)."""

    id: CredentialId
    raw_id: CredentialId = Field(alias="rawId")
    type: CredentialType
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
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None = Field(description="Time of the last use; null if it was never used.")
    backed_up: bool = Field(description="Whether the passkey is backed up, for example in a cloud.")


class MfaRead(Schema):
    """Second factors of the current user."""

    enabled: bool = Field(description="Whether a second factor is required to sign in.")
    totp: bool = Field(description="Whether an authenticator app is set up.")
    passkeys: list[PasskeyRead] = Field(description="The user's passkeys.")
    recovery_codes_left: int = Field(description="Number of unused recovery codes.")
    required_by: list[str] = Field(
        description="Names of the user's teams that require two-factor authentication.", examples=[["Acme"]]
    )


class TotpStarted(Schema):
    """Secret of a new authenticator app, shown only once."""

    secret: str = Field(description="Secret in Base32, for manual entry.", examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(description="Content of the QR code (`otpauth://totp/…`).", examples=["otpauth://totp/Acme:ada"])
    qr_code: str = Field(
        description="QR code as a `data:` URL of an SVG image.", examples=["data:image/svg+xml;base64,PHN2Zy8+"]
    )
    expires_in: int = Field(description="Seconds until the setup expires.")


class ConfirmTotp(Schema):
    code: Code


class RecoveryCodesCreated(Schema):
    """New recovery codes, shown only once. The previous codes no longer work."""

    recovery_codes: NewRecoveryCodes = Field(description="Recovery codes; each works once.")


class TotpConfirmed(Schema):
    recovery_codes: NewRecoveryCodes | None = Field(
        description="Recovery codes, shown only once; null if codes already exist."
    )


class PasskeyCreated(Schema):
    passkey: PasskeyRead = Field(description="The new passkey.")
    recovery_codes: NewRecoveryCodes | None = Field(
        description="Recovery codes, shown only once; null if codes already exist."
    )


class OptionsResponse(Schema):
    options: Options
