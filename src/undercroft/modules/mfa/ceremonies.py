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
from undercroft.modules.mfa.models import Passkey, Purpose
from undercroft.modules.mfa.repository import ChallengeRepository
from undercroft.modules.mfa.schemas import Assertion, Attestation
from undercroft.modules.mfa.settings import MfaSettings
from undercroft.modules.users import User

CHALLENGE_LIFE = timedelta(minutes=5)
LONGEST_ID = 1023
"""Bytes of a credential's id (WebAuthn 2, 7.1, step 17)."""


class Unfit(Exception):
    """The authenticator's answer does not fit: a wrong origin, a wrong domain, a wrong signature, or nonsense."""


class Made(Struct, frozen=True):
    """A new credential."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    backed_up: bool


class Signed(Struct, frozen=True):
    """What an authenticator signed; whether that fits its counter is for the table to say."""

    sign_count: int
    backed_up: bool


async def options_to_make(session: Session, user: User, known: list[Passkey]) -> dict[str, Any]:
    """What a browser needs to make a credential for somebody that none of their authenticators has yet."""
    challenge = await _new_challenge(session, Purpose.REGISTER, user.id)
    return await asyncio.to_thread(_creation, user, known, challenge)


async def options_to_sign(
    session: Session, purpose: Purpose, subject_id: UUID | None, known: list[Passkey], *, verified: bool = False
) -> dict[str, Any]:
    """What a browser needs to have a challenge signed by one of these; by any that it finds when none is named."""
    challenge = await _new_challenge(session, purpose, subject_id)
    return await asyncio.to_thread(_request, known, challenge, verified)


async def made(session: Session, user_id: UUID, attestation: Attestation) -> Made:
    """The credential that was made for somebody. The challenge is used up. Raises `Unfit`."""
    response = attestation.response
    challenge = await _use_challenge(session, Purpose.REGISTER, user_id, response.client_data_json)
    return await asyncio.to_thread(_checked_attestation, attestation, challenge)


async def signed(
    session: Session,
    purpose: Purpose,
    subject_id: UUID | None,
    assertion: Assertion,
    passkey: Passkey | None,
    *,
    verified: bool = False,
) -> Signed:
    """What was signed with this passkey, by a verified person if asked. The challenge is used up. Raises `Unfit`."""
    challenge = await _use_challenge(session, purpose, subject_id, assertion.response.client_data_json)
    handle = assertion.response.user_handle
    if passkey is None or (handle is not None and _bytes(handle) != passkey.user_id.bytes):
        raise Unfit("There is no such passkey of this person.")
    return await asyncio.to_thread(_checked_assertion, assertion, challenge, passkey.public_key, verified)


def credential_id(assertion: Assertion | Attestation) -> bytes:
    """Raises `Unfit`."""
    return _bytes(assertion.raw_id)


async def _new_challenge(session: Session, purpose: Purpose, subject_id: UUID | None) -> bytes:
    challenge = new_token()
    await ChallengeRepository(session).keep(hash_token(challenge), purpose, subject_id, CHALLENGE_LIFE)
    return _bytes(challenge)


async def _use_challenge(session: Session, purpose: Purpose, subject_id: UUID | None, client_data: str) -> bytes:
    challenge = _challenge_in(client_data)
    if not await ChallengeRepository(session).use(hash_token(challenge), purpose, subject_id):
        raise Unfit("Nobody was asked to sign this.")
    return _bytes(challenge)


class _ClientData(msgspec.Struct, rename="camel"):
    challenge: str
    cross_origin: bool = False


def _challenge_in(client_data: str) -> str:
    try:
        told = msgspec.json.decode(_bytes(client_data), type=_ClientData)
    except (msgspec.MsgspecError, ValueError):
        raise Unfit("The client data is not JSON with a challenge.") from None
    if told.cross_origin:
        raise Unfit("Our pages ask for passkeys in no other site's frame.")
    return told.challenge.rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        raise Unfit("This is not base64url.") from None


def _creation(user: User, known: list[Passkey], challenge: bytes) -> dict[str, Any]:
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
        timeout=int(CHALLENGE_LIFE.total_seconds() * 1000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json_dict(options)


def _request(known: list[Passkey], challenge: bytes, verified: bool) -> dict[str, Any]:
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import UserVerificationRequirement

    wanted = UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED
    options = generate_authentication_options(
        rp_id=load(MfaSettings).domain,
        challenge=challenge,
        timeout=int(CHALLENGE_LIFE.total_seconds() * 1000),
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


def _checked_attestation(attestation: Attestation, challenge: bytes) -> Made:
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
        raise Unfit(str(error)) from error
    if verified.credential_id != credential.raw_id or len(verified.credential_id) > LONGEST_ID:
        raise Unfit("The credential's id is too long, or not the one that was signed.")
    transports = [transport.value for transport in credential.response.transports or []]
    return Made(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=list(dict.fromkeys(transports)),
        backed_up=verified.credential_backed_up,
    )


def _checked_assertion(assertion: Assertion, challenge: bytes, public_key: bytes, verified: bool) -> Signed:
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
        raise Unfit(str(error)) from error
    return Signed(result.new_sign_count, result.credential_backed_up)
