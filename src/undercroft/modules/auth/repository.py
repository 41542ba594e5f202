"""Every query about signing in."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import delete, false, func, or_, select, update
from sqlalchemy.orm import aliased
from sqlmodel import col

from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import OffsetPage, Repository
from undercroft.modules.auth.models import (
    AuthSession,
    MailPurpose,
    MailRequest,
    MailToken,
    RefreshToken,
    Registration,
    SigningKey,
)
from undercroft.modules.users import User

_ACTIVE = (col(AuthSession.revoked_at).is_(None), col(AuthSession.expires_at) > func.now())


class SessionRepository(Repository[AuthSession]):
    model = AuthSession
    sortable = ("last_seen_at",)

    async def list_active(self, user_id: UUID, *, page: int, size: int) -> OffsetPage[AuthSession]:
        """Somebody's own sessions that can still be used, the latest seen first."""
        where = (col(AuthSession.user_id) == user_id, col(AuthSession.impersonator_id).is_(None), *_ACTIVE)
        return await self.list(*where, sort="-last_seen_at", page=page, size=size)

    async def was_started_from(self, ip: str, *, email: str) -> bool:
        """Whether a sign-in to this account was completed from this network address before.

        Where a session was used from proves nothing: a stolen one is used from the thief's address.
        """
        query = select(col(AuthSession.id)).join(User, col(User.id) == col(AuthSession.user_id))
        where = (col(User.email) == email, col(AuthSession.started_ip) == ip, col(AuthSession.started_ip) != "")
        return await self._session.scalar(query.where(*where).limit(1)) is not None

    async def is_from_new_ip(self, session_id: UUID) -> bool:
        """Whether the session's user has signed in before, but never from this network address."""
        mine, other = aliased(AuthSession), aliased(AuthSession)
        others = (col(other.user_id) == col(mine.user_id)) & (col(other.id) != col(mine.id))
        here = func.bool_or(col(other.started_ip) == col(mine.started_ip))
        query = (
            select(func.count(), func.coalesce(here, False))
            .select_from(mine)
            .join(other, others & col(other.impersonator_id).is_(None))
            .where(col(mine.id) == session_id)
        )
        row: Any = (await self._session.execute(query)).one()
        return bool(row[0] > 0 and not row[1])

    async def has_known_ip(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether the place where this session of this user was started was not forgotten since."""
        query = select(col(AuthSession.started_ip)).where(col(AuthSession.id) == session_id)
        return bool(await self._session.scalar(query.where(col(AuthSession.user_id) == user_id)))

    async def lock_active(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether this session of an active user can still be used; locked against its revocation."""
        query = select(col(AuthSession.id)).join(User, col(User.id) == col(AuthSession.user_id))
        where = (col(AuthSession.id) == session_id, col(AuthSession.user_id) == user_id, *_ACTIVE)
        query = query.where(*where, col(User.is_active), col(User.deleted_at).is_(None))
        return await self._session.scalar(query.with_for_update(of=AuthSession, read=True)) is not None

    async def revoke(self, session_id: UUID, *, user_id: UUID | None = None, forget_ip: bool = False) -> bool:
        """Revoke one session, of this user if one is named; whether there was one to revoke.

        `forget_ip`: the place where it was started is not a known one any more.
        """
        where = [col(AuthSession.id) == session_id]
        if user_id is not None:
            where.append(col(AuthSession.user_id) == user_id)
        return await self._revoke(where, **({"started_ip": ""} if forget_ip else {})) > 0

    async def revoke_all(self, user_id: UUID, *, except_session_id: UUID | None = None) -> int:
        """End somebody's sessions, but one, and those in which they act as others; how many were ended."""
        where = [or_(col(AuthSession.user_id) == user_id, col(AuthSession.impersonator_id) == user_id)]
        if except_session_id is not None:
            where.append(col(AuthSession.id) != except_session_id)
        return await self._revoke(where)

    async def forget_known_ips(self, user_id: UUID, *, except_session_id: UUID | None = None) -> None:
        """Treat no place in which this user signed in as a known one any more, except that of one session."""
        where = [col(AuthSession.user_id) == user_id, col(AuthSession.started_ip) != ""]
        if except_session_id is not None:
            where.append(col(AuthSession.id) != except_session_id)
        await self._write_session.execute(update(AuthSession).where(*where).values(started_ip=""))

    async def clear_passed_mfa(self, user_id: UUID) -> None:
        """Let no session of this user count as one that saw a second factor, because none of those is left."""
        passed = (col(AuthSession.user_id) == user_id, col(AuthSession.passed_mfa))
        await self._write_session.execute(update(AuthSession).where(*passed).values(passed_mfa=False))

    async def update_last_seen(self, session_id: UUID, *, ip: str, user_agent: str, expires_at: datetime) -> None:
        """Note a use that is written anyway."""
        changes = {"last_seen_at": utc_now(), "ip": ip, "user_agent": user_agent, "expires_at": expires_at}
        await self._session.execute(update(AuthSession).where(col(AuthSession.id) == session_id).values(**changes))

    async def mark_reauthenticated(self, session_id: UUID, *, passed_mfa: bool) -> None:
        """Note that the session's person was proven now; that it saw two factors is never taken back."""
        changes = {"proven_at": utc_now(), **({"passed_mfa": True} if passed_mfa else {})}
        await self._write_session.execute(
            update(AuthSession).where(col(AuthSession.id) == session_id).values(**changes)
        )

    async def erase(self, user_id: UUID) -> None:
        """Remove all of somebody's sessions."""
        await self._write_session.execute(delete(AuthSession).where(col(AuthSession.user_id) == user_id))

    async def delete_expired(self, before: datetime) -> int:
        """Remove what ended before this moment."""
        ended = (col(AuthSession.expires_at) < before) | (col(AuthSession.revoked_at) < before)
        return await self._write_session.rowcount(delete(AuthSession).where(ended))

    async def _revoke(self, where: Sequence[Any], **changes: Any) -> int:
        revoked = update(AuthSession).where(*where, *_ACTIVE).values(revoked_at=utc_now(), **changes)
        return await self._write_session.rowcount(revoked)


class RefreshTokenRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def lock(self, token_hash: bytes, interval: timedelta) -> Any:
        """The token with its session and user, locked until the transaction ends; None for an unknown one.

        `in_reuse_interval`: it was used within this interval, by the clock of the database, which all processes share.
        """
        query = (
            select(
                col(RefreshToken.session_id),
                col(RefreshToken.used_at),
                (col(RefreshToken.used_at) > func.clock_timestamp() - interval).label("in_reuse_interval"),
                col(AuthSession.user_id),
                col(AuthSession.ends_at),
                col(AuthSession.revoked_at),
                (col(AuthSession.expires_at) > func.now()).label("unexpired"),
                (col(User.is_active) & col(User.deleted_at).is_(None)).label("is_user_active"),
            )
            .join(AuthSession, col(AuthSession.id) == col(RefreshToken.session_id))
            .join(User, col(User.id) == col(AuthSession.user_id))
            .where(col(RefreshToken.token_hash) == token_hash)
            .with_for_update(of=RefreshToken)
        )
        return (await self._session.execute(query)).one_or_none()

    async def find_session(self, token_hash: bytes) -> Any:
        """The `session_id` of a token and whose it is (`user_id`); None for an unknown one."""
        query = (
            select(col(RefreshToken.session_id), col(AuthSession.user_id))
            .join(AuthSession, col(AuthSession.id) == col(RefreshToken.session_id))
            .where(col(RefreshToken.token_hash) == token_hash)
        )
        return (await self._session.execute(query)).one_or_none()

    async def use(self, token_hash: bytes) -> None:
        where = col(RefreshToken.token_hash) == token_hash
        await self._session.execute(update(RefreshToken).where(where).values(used_at=func.clock_timestamp()))

    async def find_existing(self, token_hashes: Iterable[bytes]) -> bytes | None:
        """The one of these tokens that exists."""
        query = select(col(RefreshToken.token_hash)).where(col(RefreshToken.token_hash).in_(list(token_hashes)))
        return cast("bytes | None", await self._session.scalar(query))

    async def delete_expired(self, before: datetime) -> int:
        """Remove the links of chains that were used before this moment."""
        return await self._session.rowcount(delete(RefreshToken).where(col(RefreshToken.used_at) < before))


class RegistrationRepository(Repository[Registration]):
    model = Registration

    async def find_by_token(self, token_hash: bytes) -> Registration | None:
        """The registration that a link in a mail proves, as long as both are valid."""
        query = (
            self._query()
            .join(MailToken, col(MailToken.subject_id) == col(Registration.id))
            .where(
                col(MailToken.token_hash) == token_hash,
                col(MailToken.purpose) == MailPurpose.VERIFY_EMAIL,
                col(MailToken.expires_at) > func.now(),
                col(Registration.expires_at) > func.now(),
            )
        )
        return await self._first(query)

    async def find_latest(self, email: str, handle_hash: bytes | None) -> Registration | None:
        """The newest registration of an address that is still valid, one of this device before all others."""
        query = self._query().where(col(Registration.email) == email, col(Registration.expires_at) > func.now())
        is_own = func.coalesce(col(Registration.handle_hash) == handle_hash, false())
        return await self._first(query.order_by(is_own.desc(), col(Registration.created_at).desc()).limit(1))

    async def delete_all(self, email: str) -> Sequence[Registration]:
        """Remove all registrations of an address; which there were. Their tokens stay: see `reassign`."""
        removed = delete(Registration).where(col(Registration.email) == email).returning(Registration)
        return (await self._write_session.scalars(removed)).all()


class MailTokenRepository:
    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def subject(self, purpose: MailPurpose, token_hash: bytes) -> UUID | None:
        """Whom or what a valid token of this purpose proves."""
        query = select(col(MailToken.subject_id)).where(
            col(MailToken.token_hash) == token_hash,
            col(MailToken.purpose) == purpose,
            col(MailToken.expires_at) > func.now(),
        )
        return cast("UUID | None", await self._session.scalar(query))

    async def use(self, purpose: MailPurpose, token_hash: bytes) -> MailToken | None:
        """Remove one valid token, and return it. Of two that try at once, one removes it."""
        removed = delete(MailToken).where(
            col(MailToken.token_hash) == token_hash,
            col(MailToken.purpose) == purpose,
            col(MailToken.expires_at) > func.now(),
        )
        return (await self._session.scalars(removed.returning(MailToken))).one_or_none()

    async def reassign(self, registrations: Sequence[Registration], user_id: UUID) -> None:
        """Keep the tokens of registrations whose account exists now, so that a later link says so and does nothing."""
        of_them = col(MailToken.subject_id).in_([each.id for each in registrations])
        verifying = col(MailToken.purpose) == MailPurpose.VERIFY_EMAIL
        await self._session.execute(update(MailToken).where(of_them, verifying).values(subject_id=user_id))

    async def revoke_links(self, user_id: UUID) -> None:
        """Remove what was mailed to somebody to get in by: links that reset the password, those that sign in, and those
        that move the account, for which somebody may have asked who should not have known the password.
        """
        await self.consume(MailPurpose.RESET_PASSWORD, user_id)
        await self.consume(MailPurpose.MAGIC_LINK, user_id)
        await MailRequestRepository(self._session).delete_all(user_id, MailPurpose.CONFIRM_EMAIL)

    async def consume(self, purpose: MailPurpose, *subjects: UUID) -> int:
        """Remove all tokens of one purpose; how many there were. Of two that try at once, one removes them."""
        where = (col(MailToken.subject_id).in_(subjects), col(MailToken.purpose) == purpose)
        return await cast(Session, self._session).rowcount(delete(MailToken).where(*where))


class MailRequestRepository(Repository[MailRequest]):
    model = MailRequest

    async def delete_all(self, user_id: UUID, purpose: MailPurpose) -> Sequence[UUID]:
        """Remove somebody's requests of one purpose and their tokens; which there were."""
        where = (col(MailRequest.user_id) == user_id, col(MailRequest.purpose) == purpose)
        ids = (
            await self._write_session.scalars(delete(MailRequest).where(*where).returning(col(MailRequest.id)))
        ).all()
        await MailTokenRepository(self._write_session).consume(purpose, *ids)
        return ids

    async def remove(self, request_id: UUID) -> None:
        """Remove a request that has been answered."""
        await self._write_session.execute(delete(MailRequest).where(col(MailRequest.id) == request_id))

    async def erase(self, user_id: UUID) -> None:
        """Remove all requests about somebody, and what they prove."""
        await self.delete_all(user_id, MailPurpose.CONFIRM_EMAIL)
        await self._write_session.execute(delete(MailRequest).where(col(MailRequest.user_id) == user_id))


class SigningKeyRepository:
    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def list_published(self, retired_after: datetime) -> Sequence[SigningKey]:
        """All keys but those that were retired before this moment, in the order in which they were made."""
        query = select(SigningKey).where(
            col(SigningKey.retired_at).is_(None) | (col(SigningKey.retired_at) > retired_after)
        )
        return (await self._session.scalars(query.order_by(col(SigningKey.created_at), col(SigningKey.kid)))).all()

    async def all(self) -> Sequence[SigningKey]:
        return (await self._session.scalars(select(SigningKey).order_by(col(SigningKey.created_at)))).all()

    async def list_sealed(self) -> Iterable[bytes]:
        query = select(col(SigningKey.private_sealed)).where(col(SigningKey.private_sealed).is_not(None))
        return (await self._session.scalars(query)).all()

    async def lock_all(self) -> Sequence[SigningKey]:
        """All keys, while no other process changes them; also when there are none to lock yet."""
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("auth.signing_keys", 0))))
        return await self.all()

    async def add(self, key: SigningKey) -> None:
        session = cast(Session, self._session)
        session.add(key)
        await session.flush()

    async def change(self, key: SigningKey, **values: Any) -> None:
        for name, value in values.items():
            setattr(key, name, value)
        await cast(Session, self._session).flush()


async def delete_expired_links(session: Session, before: datetime) -> int:
    """Remove registrations, mail requests and their tokens that expired before this moment."""
    removed = 0
    for model in (MailToken, Registration, MailRequest):
        removed += await session.rowcount(delete(model).where(col(model.expires_at) < before))
    return removed
