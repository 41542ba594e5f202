"""Verification of second factors. A successful verification uses the code or challenge, so that it works only once."""

from uuid import UUID

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session
from undercroft.core.security.keyring import DecryptionError
from undercroft.modules.mfa import totp, webauthn
from undercroft.modules.mfa.models import ChallengePurpose, Passkey
from undercroft.modules.mfa.notifications import MfaNotification, notify
from undercroft.modules.mfa.recovery_codes import hash_code
from undercroft.modules.mfa.repository import PasskeyRepository, RecoveryCodeRepository, TotpRepository
from undercroft.modules.mfa.schemas import Assertion, MfaCredential
from undercroft.modules.users import User

log = structlog.get_logger("undercroft.security")


async def verify_factor(
    session: Session, user: User, credential: MfaCredential, purpose: ChallengePurpose, subject_id: UUID
) -> bool:
    """Return whether the credential is a second factor of this locked user.

    `purpose` and `subject_id` are those of the challenge that a passkey must have signed.
    """
    if credential.code is not None:
        return await _verify_code(session, user.id, credential.code)
    if credential.recovery_code is not None:
        return await _verify_recovery_code(session, user, credential.recovery_code.get_secret_value())
    assert credential.passkey is not None
    passkey = await _find_passkey(session, user.id, credential.passkey)
    return await verify_passkey(session, passkey, credential.passkey, purpose, subject_id)


async def verify_passkey(
    session: Session,
    passkey: Passkey | None,
    assertion: Assertion,
    purpose: ChallengePurpose,
    subject_id: UUID | None,
    *,
    verified: bool = False,
) -> bool:
    """Return whether this passkey signed the challenge.

    With `verified`, the authenticator must have verified the user, for example with a fingerprint or a PIN.
    """
    try:
        signed = await webauthn.verify_authentication(
            session, purpose, subject_id, assertion, passkey, verified=verified
        )
    except webauthn.WebAuthnError:
        return False
    assert passkey is not None
    used = await PasskeyRepository(session, passkey.user_id).use(passkey, signed.sign_count, backed_up=signed.backed_up)
    if not used:
        counters = {"seen": passkey.sign_count, "signed": signed.sign_count}
        await record(session, Entry("passkey.cloned", None, "passkey", passkey.id, details=counters))
        await notify(session, passkey.user_id, MfaNotification.PASSKEY_CLONED, passkey=passkey.name)
    return used


async def _verify_code(session: Session, user_id: UUID, code: str) -> bool:
    totps, secrets = TotpRepository(session), totp.Secrets()
    app = await totps.find(user_id)
    if app is None or app.secret_sealed is None:
        return False
    try:
        secret = secrets.open(user_id, app.secret_sealed)
    except DecryptionError as error:
        log.error(
            "totp.unreadable", user_id=str(user_id), cause=str(error), hint="Add the previous key to SECRET_KEYS."
        )
        return False
    step = totp.find_step(secret, code)
    if step is None or not await totps.use(user_id, step):
        return False
    if not secrets.is_current(app.secret_sealed):
        await totps.reseal(user_id, app.secret_sealed, secrets.seal(user_id, secret))
    return True


async def _verify_recovery_code(session: Session, user: User, code: str) -> bool:
    codes = RecoveryCodeRepository(session)
    if not await codes.use(user.id, hash_code(user.id, code)):
        return False
    left = await codes.count(user.id)
    await record(session, Entry("mfa.recovery_code_used", user.id, "user", user.id, details={"left": left}))
    await notify(session, user.id, MfaNotification.RECOVERY_CODE_USED, left=str(left))
    return True


async def _find_passkey(session: Session, user_id: UUID, assertion: Assertion) -> Passkey | None:
    try:
        return await PasskeyRepository(session, user_id).find_by_credential_id(webauthn.decode_credential_id(assertion))
    except webauthn.WebAuthnError:
        return None
