"""The two WebAuthn ceremonies: registration and authentication. The library is imported at its first use.

A challenge works once. It is looked up by the client data that the authenticator signed, together with one purpose and
one subject; a response to any other or a used challenge is rejected.
"""

import asyncio
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from undercroft.core.db import Session
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.mfa.models import ChallengePurpose, Passkey
from undercroft.modules.mfa.repository import ChallengeRepository
from undercroft.modules.mfa.schemas import Assertion, Attestation
from undercroft.modules.mfa.settings import MfaSettings
from undercroft.modules.users import User

CHALLENGE_LIFETIME = timedelta(minutes=5)
MAX_CREDENTIAL_ID_LENGTH = 1023
"""Maximum length of a credential ID in bytes (WebAuthn 2, 7.1, step 17)."""


class WebAuthnError(Exception):
    """The authenticator's response is invalid: wrong origin, domain or signature, or malformed data."""


class VerifiedRegistration(Struct, frozen=True):
    """A new, verified credential."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    backed_up: bool


class VerifiedAuthentication(Struct, frozen=True):
    """The result of an authentication. The caller must still check the signature counter against the stored one."""

    sign_count: int
    backed_up: bool


async def create_registration_options(session: Session, user: User, known: list[Passkey]) -> dict[str, Any]:
    """Return options for a browser to create a credential on an authenticator that is not registered yet."""
    challenge = await _new_challenge(session, ChallengePurpose.REGISTER, user.id)
    return await asyncio.to_thread(_build_registration_options, user, known, challenge)


async def create_authentication_options(
    session: Session,
    purpose: ChallengePurpose,
    subject_id: UUID | None,
    known: list[Passkey],
    *,
    verified: bool = False,
) -> dict[str, Any]:
    """Return options for a browser to sign a challenge with one of the known passkeys, or any passkey if none is known.

    With `verified`, the authenticator must verify the user.
    """
    challenge = await _new_challenge(session, purpose, subject_id)
    return await asyncio.to_thread(_build_authentication_options, known, challenge, verified)


async def verify_registration(session: Session, user_id: UUID, attestation: Attestation) -> VerifiedRegistration:
    """Verify a registration response and return the credential. The challenge cannot be used again.

    Raises `WebAuthnError`.
    """
    response = attestation.response
    challenge = await _use_challenge(session, ChallengePurpose.REGISTER, user_id, response.client_data_json)
    return await asyncio.to_thread(_verify_attestation, attestation, challenge)


async def verify_authentication(
    session: Session,
    purpose: ChallengePurpose,
    subject_id: UUID | None,
    assertion: Assertion,
    passkey: Passkey | None,
    *,
    verified: bool = False,
) -> VerifiedAuthentication:
    """Verify that this passkey signed the challenge, with user verification if `verified`.

    The challenge cannot be used again. Raises `WebAuthnError`.
    """
    challenge = await _use_challenge(session, purpose, subject_id, assertion.response.client_data_json)
    handle = assertion.response.user_handle
    if passkey is None or (handle is not None and _decode_base64url(handle) != passkey.user_id.bytes):
        raise WebAuthnError("The user has no such passkey.")
    return await asyncio.to_thread(_verify_assertion, assertion, challenge, passkey.public_key, verified)


def decode_credential_id(assertion: Assertion | Attestation) -> bytes:
    """Return the credential ID. Raises `WebAuthnError`."""
    return _decode_base64url(assertion.raw_id)


async def _new_challenge(session: Session, purpose: ChallengePurpose, subject_id: UUID | None) -> bytes:
    challenge = new_token()
    await ChallengeRepository(session).create(hash_token(challenge), purpose, subject_id, CHALLENGE_LIFETIME)
    return _decode_base64url(challenge)


async def _use_challenge(
    session: Session, purpose: ChallengePurpose, subject_id: UUID | None, client_data: str
) -> bytes:
    challenge = _parse_challenge(client_data)
    if not await ChallengeRepository(session).use(hash_token(challenge), purpose, subject_id):
        raise WebAuthnError("Unknown or used challenge.")
    return _decode_base64url(challenge)


class _ClientData(msgspec.Struct, rename="camel"):
    challenge: str
    cross_origin: bool = False


def _parse_challenge(client_data: str) -> str:
    try:
        parsed = msgspec.json.decode(_decode_base64url(client_data), type=_ClientData)
    except (msgspec.MsgspecError, ValueError):
        raise WebAuthnError("The client data is not JSON with a challenge.") from None
    if parsed.cross_origin:
        raise WebAuthnError("Passkeys cannot be used in a cross-origin frame.")
    return parsed.challenge.rstrip("=")


def _decode_base64url(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        raise WebAuthnError("The value is not valid base64url.") from None


def _build_registration_options(user: User, known: list[Passkey], challenge: bytes) -> dict[str, Any]:
    from webauthn import generate_registration_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=load(MfaSettings).domain,
        rp_name=load(CoreSettings).app_name,
        user_id=user.id.bytes,
        user_name=user.email,
        user_display_name=user.full_name or user.email,
        challenge=challenge,
        timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json_dict(options)


def _build_authentication_options(known: list[Passkey], challenge: bytes, verified: bool) -> dict[str, Any]:
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import UserVerificationRequirement

    requirement = UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED
    options = generate_authentication_options(
        rp_id=load(MfaSettings).domain,
        challenge=challenge,
        timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
        allow_credentials=_descriptors(known),
        user_verification=requirement,
    )
    return options_to_json_dict(options)


def _descriptors(known: list[Passkey]) -> list[Any]:
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    return [
        PublicKeyCredentialDescriptor(
            id=each.credential_id, transports=[AuthenticatorTransport(name) for name in each.transports]
        )
        for each in known
    ]


def _verify_attestation(attestation: Attestation, challenge: bytes) -> VerifiedRegistration:
    from webauthn import verify_registration_response
    from webauthn.helpers import parse_registration_credential_json

    settings = load(MfaSettings)
    try:
        credential = parse_registration_credential_json(attestation.model_dump(by_alias=True))
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=settings.domain,
            expected_origin=settings.origins,
        )
    except Exception as error:  # the library does not wrap the errors of its parsers
        raise WebAuthnError(str(error)) from error
    if verified.credential_id != credential.raw_id or len(verified.credential_id) > MAX_CREDENTIAL_ID_LENGTH:
        raise WebAuthnError("The credential ID is too long or differs from the signed one.")
    transports = [transport.value for transport in credential.response.transports or []]
    return VerifiedRegistration(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=list(dict.fromkeys(transports)),
        backed_up=verified.credential_backed_up,
    )


def _verify_assertion(
    assertion: Assertion, challenge: bytes, public_key: bytes, verified: bool
) -> VerifiedAuthentication:
    from webauthn import verify_authentication_response

    settings = load(MfaSettings)
    try:
        result = verify_authentication_response(
            credential=assertion.model_dump(by_alias=True),
            expected_challenge=challenge,
            expected_rp_id=settings.domain,
            expected_origin=settings.origins,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=verified,
        )
    except Exception as error:  # the library does not wrap the errors of its parsers
        raise WebAuthnError(str(error)) from error
    return VerifiedAuthentication(result.new_sign_count, result.credential_backed_up)
