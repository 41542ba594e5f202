"""Queries of second factors. Each single use is one conditional statement: of concurrent uses, only one succeeds."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from undercroft.core.db import OwnedRepository, ReadSession, Repository, Session, utc_now
from undercroft.modules.mfa.errors import PasskeyNotFound
from undercroft.modules.mfa.models import Challenge, ChallengePurpose, Passkey, PendingSignIn, RecoveryCode, Totp


class TotpRepository(Repository[Totp]):
    model = Totp

    async def find_for_user(self, user_id: UUID) -> Totp | None:
        query = self._query().where(col(Totp.user_id) == user_id)
        return await self._first(query.execution_options(populate_existing=True))

    async def begin(self, user_id: UUID, sealed: bytes) -> None:
        """Store the secret of a pending app. It replaces an earlier pending secret."""
        pending = {"pending_sealed": sealed, "pending_at": utc_now()}
        statement = insert(Totp).values(user_id=user_id, last_step=0, **pending)
        await self._write_session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=pending))

    async def confirm(self, user_id: UUID, sealed: bytes, step: int) -> bool:
        """Activate the pending secret if it is still this one. Returns whether it was."""
        values = {
            "secret_sealed": sealed,
            "confirmed_at": utc_now(),
            "last_step": step,
            "pending_sealed": None,
            "pending_at": None,
        }
        return await self._change(user_id, col(Totp.pending_sealed) == sealed, **values)

    async def use(self, user_id: UUID, step: int) -> bool:
        """Mark the code of this time step as used. Returns False if this step or a later one was used before."""
        return await self._change(user_id, col(Totp.last_step) < step, last_step=step)

    async def reseal(self, user_id: UUID, before: bytes, sealed: bytes) -> None:
        await self._change(user_id, col(Totp.secret_sealed) == before, secret_sealed=sealed)

    async def _change(self, user_id: UUID, condition: ColumnElement[bool], **values: object) -> bool:
        return await self._update(col(Totp.user_id) == user_id, condition, **values) > 0


class RecoveryCodeRepository(Repository[RecoveryCode]):
    model = RecoveryCode

    async def replace(self, user_id: UUID, hashes: Iterable[bytes]) -> None:
        await self.delete_by(user_id=user_id)
        await self.create_many(RecoveryCode(code_hash=each, user_id=user_id) for each in hashes)

    async def use(self, user_id: UUID, code_hash: bytes) -> bool:
        return await self.delete_by(user_id=user_id, code_hash=code_hash) > 0


class PasskeyRepository(OwnedRepository[Passkey]):
    model = Passkey
    not_found = PasskeyNotFound
    sortable = ("created_at", "name", "last_used_at")
    default_sort = "created_at"

    async def all(self) -> Sequence[Passkey]:
        return (await self._session.scalars(self._query().order_by(col(Passkey.created_at), col(Passkey.id)))).all()

    async def use(self, passkey: Passkey, sign_count: int, *, backed_up: bool) -> bool:
        """Record a use. Returns False if the signature counter did not increase (WebAuthn 2, 6.1.1).

        Authenticators without a counter always report 0.
        """
        is_valid_count = (col(Passkey.sign_count) < sign_count) | ((col(Passkey.sign_count) == 0) & (sign_count == 0))
        used = {"sign_count": sign_count, "backed_up": backed_up, "last_used_at": utc_now()}
        return await self._update(col(Passkey.id) == passkey.id, is_valid_count, **used) > 0


async def find_credential_owner(session: ReadSession, credential_id: bytes) -> UUID | None:
    found: UUID | None = await session.scalar(
        select(col(Passkey.user_id)).where(col(Passkey.credential_id) == credential_id)
    )
    return found


class ChallengeRepository(Repository[Challenge]):
    model = Challenge

    async def use(self, challenge_hash: bytes, purpose: ChallengePurpose, subject_id: UUID | None) -> bool:
        """Delete an unexpired challenge of this purpose and subject. Returns whether it existed."""
        conditions = (
            col(Challenge.challenge_hash) == challenge_hash,
            col(Challenge.purpose) == purpose.value,
            col(Challenge.subject_id).is_not_distinct_from(subject_id),
            col(Challenge.expires_at) > func.now(),
        )
        return await self._delete(*conditions) > 0


class PendingSignInRepository(Repository[PendingSignIn]):
    model = PendingSignIn

    async def find_by_token(self, token_hash: bytes) -> PendingSignIn | None:
        valid = (col(PendingSignIn.token_hash) == token_hash, col(PendingSignIn.expires_at) > func.now())
        return await self._first(self._query().where(*valid).execution_options(populate_existing=True))

    async def record_failure(self, pending_sign_in: PendingSignIn, *, max_attempts: int) -> bool:
        """Count a failed attempt and delete the sign-in after `max_attempts`. Returns whether it was deleted."""
        statement = (
            update(PendingSignIn)
            .where(col(PendingSignIn.id) == pending_sign_in.id)
            .values(failures=col(PendingSignIn.failures) + 1)
            .returning(col(PendingSignIn.failures))
        )
        failures = await self._write_session.scalar(statement)
        return failures is not None and failures >= max_attempts and await self.delete_by(id=pending_sign_in.id) > 0


async def delete_expired(session: Session, before: datetime) -> int:
    challenges = await session.rowcount(delete(Challenge).where(col(Challenge.expires_at) < before))
    return challenges + await session.rowcount(delete(PendingSignIn).where(col(PendingSignIn.expires_at) < before))
