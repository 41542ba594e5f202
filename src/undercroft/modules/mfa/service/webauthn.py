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

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session, utc_now
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.mfa.errors import WebAuthnError
from undercroft.modules.mfa.models import Challenge, ChallengePurpose, Passkey
from undercroft.modules.mfa.repository import ChallengeRepository, PasskeyRepository
from undercroft.modules.mfa.schemas import Assertion, Attestation
from undercroft.modules.mfa.service.notifications import notify
from undercroft.modules.mfa.settings import MfaSettings
from undercroft.modules.users import User

CHALLENGE_LIFETIME = timedelta(minutes=5)
MAX_CREDENTIAL_ID_LENGTH = 1023
"""Maximum length of a credential ID in bytes (WebAuthn 2, 7.1, step 17)."""


class PasskeyService:
    """Creates challenges for authenticators, and verifies their responses."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._challenges = ChallengeRepository(session)

    async def registration_options(self, user: User, known: list[Passkey]) -> dict[str, Any]:
        """Return options for a browser to create a credential on an authenticator that is not registered yet."""
        challenge = await self._new_challenge(ChallengePurpose.REGISTER, user.id)
        return await asyncio.to_thread(_build_registration_options, user, known, challenge)

    async def authentication_options(
        self, purpose: ChallengePurpose, subject_id: UUID | None, user_id: UUID | None
    ) -> dict[str, Any]:
        """Return options for a browser to sign a challenge with one of the user's passkeys.

        Without a user, any passkey can sign it, and the authenticator must verify its user.
        """
        known = [] if user_id is None else list(await PasskeyRepository(self._session, user_id).all())
        challenge = await self._new_challenge(purpose, subject_id)
        return await asyncio.to_thread(_build_authentication_options, known, challenge, user_id is None)

    async def verify_registration(self, user_id: UUID, name: str, attestation: Attestation) -> Passkey:
        """Verify a registration response and return the passkey, which is not stored yet.

        The challenge cannot be used again. Raises `WebAuthnError`.
        """
        client_data = attestation.response.client_data_json
        challenge = await self._use_challenge(ChallengePurpose.REGISTER, user_id, client_data)
        return Passkey(
            user_id=user_id, name=name, **await asyncio.to_thread(_verify_attestation, attestation, challenge)
        )

    async def verify(
        self,
        passkey: Passkey | None,
        assertion: Assertion,
        purpose: ChallengePurpose,
        subject_id: UUID | None,
        *,
        user_verified: bool = False,
    ) -> bool:
        """Return whether this passkey signed the challenge, which cannot be used again.

        With `user_verified`, the authenticator must have verified the user, for example with a fingerprint or a PIN.
        """
        try:
            sign_count, backed_up = await self._authenticate(passkey, assertion, purpose, subject_id, user_verified)
        except WebAuthnError:
            return False
        assert passkey is not None
        used = await PasskeyRepository(self._session, passkey.user_id).use(passkey, sign_count, backed_up=backed_up)
        if not used:
            counters = {"seen": passkey.sign_count, "signed": sign_count}
            await record(self._session, Entry("passkey.cloned", None, "passkey", passkey.id, details=counters))
            await notify(self._session, passkey.user_id, "mfa/passkey_cloned", passkey=passkey.name)
        return used

    async def _authenticate(
        self,
        passkey: Passkey | None,
        assertion: Assertion,
        purpose: ChallengePurpose,
        subject_id: UUID | None,
        user_verified: bool,
    ) -> tuple[int, bool]:
        """Return the signature counter, which the caller must check against the stored one, and `backed_up`."""
        challenge = await self._use_challenge(purpose, subject_id, assertion.response.client_data_json)
        handle = assertion.response.user_handle
        if passkey is None or (handle is not None and _decode_base64url(handle) != passkey.user_id.bytes):
            raise WebAuthnError("The user has no such passkey.")
        return await asyncio.to_thread(_verify_assertion, assertion, challenge, passkey.public_key, user_verified)

    async def _new_challenge(self, purpose: ChallengePurpose, subject_id: UUID | None) -> bytes:
        challenge = new_token()
        expires_at = utc_now() + CHALLENGE_LIFETIME
        await self._challenges.create(
            Challenge(
                challenge_hash=hash_token(challenge), purpose=purpose, subject_id=subject_id, expires_at=expires_at
            )
        )
        return _decode_base64url(challenge)

    async def _use_challenge(self, purpose: ChallengePurpose, subject_id: UUID | None, client_data: str) -> bytes:
        challenge = _parse_challenge(client_data)
        if not await self._challenges.use(hash_token(challenge), purpose, subject_id):
            raise WebAuthnError("Unknown or used challenge.")
        return _decode_base64url(challenge)


def decode_credential_id(assertion: Assertion | Attestation) -> bytes:
    """Return the credential ID. Raises `WebAuthnError`."""
    return _decode_base64url(assertion.raw_id)


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


def _build_authentication_options(known: list[Passkey], challenge: bytes, user_verified: bool) -> dict[str, Any]:
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import UserVerificationRequirement

    requirement = UserVerificationRequirement.REQUIRED if user_verified else UserVerificationRequirement.PREFERRED
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


def _verify_attestation(attestation: Attestation, challenge: bytes) -> dict[str, Any]:
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
    return {
        "credential_id": verified.credential_id,
        "public_key": verified.credential_public_key,
        "sign_count": verified.sign_count,
        "transports": list(dict.fromkeys(transports)),
        "backed_up": verified.credential_backed_up,
    }


def _verify_assertion(
    assertion: Assertion, challenge: bytes, public_key: bytes, user_verified: bool
) -> tuple[int, bool]:
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
            require_user_verification=user_verified,
        )
    except Exception as error:  # the library does not wrap the errors of its parsers
        raise WebAuthnError(str(error)) from error
    return result.new_sign_count, result.credential_backed_up
