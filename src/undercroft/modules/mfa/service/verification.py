"""Verification of second factors. A successful verification uses the code or challenge, so that it works only once."""

from uuid import UUID

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session
from undercroft.core.security.keyring import DecryptionError
from undercroft.modules.mfa.errors import WebAuthnError
from undercroft.modules.mfa.models import ChallengePurpose
from undercroft.modules.mfa.repository import PasskeyRepository, RecoveryCodeRepository, TotpRepository
from undercroft.modules.mfa.schemas import Assertion, MfaCredential
from undercroft.modules.mfa.service.codes import TotpSecrets, find_step, hash_recovery_code
from undercroft.modules.mfa.service.notifications import notify
from undercroft.modules.mfa.service.webauthn import PasskeyService, decode_credential_id
from undercroft.modules.users import User

log = structlog.get_logger("undercroft.security")


class FactorVerifier:
    """Verifies second factors of a locked user.

    `purpose` and `subject_id` are those of the challenge that a passkey must have signed.
    """

    def __init__(self, session: Session, user: User, purpose: ChallengePurpose, subject_id: UUID) -> None:
        self._session = session
        self._user = user
        self._purpose = purpose
        self._subject_id = subject_id

    async def verify(self, credential: MfaCredential) -> bool:
        if credential.code is not None:
            return await self._verify_code(credential.code)
        if credential.recovery_code is not None:
            return await self._verify_recovery_code(credential.recovery_code.get_secret_value())
        assert credential.passkey is not None
        return await self._verify_passkey(credential.passkey)

    async def _verify_code(self, code: str) -> bool:
        user_id, totps, secrets = self._user.id, TotpRepository(self._session), TotpSecrets()
        app = await totps.find_for_user(user_id)
        if app is None or app.secret_sealed is None:
            return False
        try:
            secret = secrets.open(user_id, app.secret_sealed)
        except DecryptionError as error:
            log.error(
                "totp.unreadable", user_id=str(user_id), cause=str(error), hint="Add the previous key to SECRET_KEYS."
            )
            return False
        step = find_step(secret, code)
        if step is None or not await totps.use(user_id, step):
            return False
        if not secrets.is_current(app.secret_sealed):
            await totps.reseal(user_id, app.secret_sealed, secrets.seal(user_id, secret))
        return True

    async def _verify_recovery_code(self, code: str) -> bool:
        user_id, codes = self._user.id, RecoveryCodeRepository(self._session)
        if not await codes.use(user_id, hash_recovery_code(user_id, code)):
            return False
        left = await codes.count_by(user_id=user_id)
        await record(self._session, Entry("mfa.recovery_code_used", user_id, "user", user_id, details={"left": left}))
        await notify(self._session, user_id, "mfa/recovery_code_used", left=str(left))
        return True

    async def _verify_passkey(self, assertion: Assertion) -> bool:
        try:
            credential_id = decode_credential_id(assertion)
            passkey = await PasskeyRepository(self._session, self._user.id).find_by_credential_id(credential_id)
        except WebAuthnError:
            passkey = None
        return await PasskeyService(self._session).verify(passkey, assertion, self._purpose, self._subject_id)
