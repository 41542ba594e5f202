"""The two ceremonies of WebAuthn: making a credential, and signing with it. The library is loaded with the first one.

A challenge works once. It is looked up by what the authenticator signed, for one purpose and one subject; whoever comes
with another one, or with one that was used, has not been asked.
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
"""Bytes of a credential's id (WebAuthn 2, 7.1, step 17)."""


class WebAuthnError(Exception):
    """The authenticator's answer does not fit: a wrong origin, a wrong domain, a wrong signature, or nonsense."""


class VerifiedRegistration(Struct, frozen=True):
    """A new credential."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    backed_up: bool


class VerifiedAuthentication(Struct, frozen=True):
    """What an authenticator signed; whether that fits its counter is for the table to say."""

    sign_count: int
    backed_up: bool


async def create_registration_options(session: Session, user: User, known: list[Passkey]) -> dict[str, Any]:
    """What a browser needs to make a credential for somebody that none of their authenticators has yet."""
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
    """What a browser needs to have a challenge signed by one of these; by any that it finds when none is named."""
    challenge = await _new_challenge(session, purpose, subject_id)
    return await asyncio.to_thread(_build_authentication_options, known, challenge, verified)


async def verify_registration(session: Session, user_id: UUID, attestation: Attestation) -> VerifiedRegistration:
    """The credential that was made for somebody. The challenge is used up. Raises `WebAuthnError`."""
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
    """What was signed with this passkey, by a verified person if asked. The challenge is used up.

    Raises `WebAuthnError`.
    """
    challenge = await _use_challenge(session, purpose, subject_id, assertion.response.client_data_json)
    handle = assertion.response.user_handle
    if passkey is None or (handle is not None and _decode_base64url(handle) != passkey.user_id.bytes):
        raise WebAuthnError("There is no such passkey of this person.")
    return await asyncio.to_thread(_verify_assertion, assertion, challenge, passkey.public_key, verified)


def decode_credential_id(assertion: Assertion | Attestation) -> bytes:
    """Raises `WebAuthnError`."""
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
        raise WebAuthnError("Nobody was asked to sign this.")
    return _decode_base64url(challenge)


class _ClientData(msgspec.Struct, rename="camel"):
    challenge: str
    cross_origin: bool = False


def _parse_challenge(client_data: str) -> str:
    try:
        reported = msgspec.json.decode(_decode_base64url(client_data), type=_ClientData)
    except (msgspec.MsgspecError, ValueError):
        raise WebAuthnError("The client data is not JSON with a challenge.") from None
    if reported.cross_origin:
        raise WebAuthnError("Our pages ask for passkeys in no other site's frame.")
    return reported.challenge.rstrip("=")


def _decode_base64url(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        raise WebAuthnError("This is not base64url.") from None


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

    wanted = UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED
    options = generate_authentication_options(
        rp_id=load(MfaSettings).domain,
        challenge=challenge,
        timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
        allow_credentials=_descriptors(known),
        user_verification=wanted,
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
    except Exception as error:  # the library lets out what its parsers raise on nonsense
        raise WebAuthnError(str(error)) from error
    if verified.credential_id != credential.raw_id or len(verified.credential_id) > MAX_CREDENTIAL_ID_LENGTH:
        raise WebAuthnError("The credential's id is too long, or not the one that was signed.")
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
    except Exception as error:  # the library lets out what its parsers raise on nonsense
        raise WebAuthnError(str(error)) from error
    return VerifiedAuthentication(result.new_sign_count, result.credential_backed_up)
