"""Queries of the auth module."""

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
        """List a user's active sessions without impersonations, most recently used first."""
        where = (col(AuthSession.user_id) == user_id, col(AuthSession.impersonator_id).is_(None), *_ACTIVE)
        return await self.list(*where, sort="-last_seen_at", page=page, size=size)

    async def was_started_from(self, ip: str, *, email: str) -> bool:
        """Whether a sign-in to this account was completed from this IP address.

        The address of later use is not considered, because a stolen session is used from the thief's address.
        """
        query = select(col(AuthSession.id)).join(User, col(User.id) == col(AuthSession.user_id))
        where = (col(User.email) == email, col(AuthSession.started_ip) == ip, col(AuthSession.started_ip) != "")
        return await self._session.scalar(query.where(*where).limit(1)) is not None

    async def is_from_new_ip(self, session_id: UUID) -> bool:
        """Whether the session's user has signed in before, but never from this IP address."""
        current, other = aliased(AuthSession), aliased(AuthSession)
        others = (col(other.user_id) == col(current.user_id)) & (col(other.id) != col(current.id))
        same_ip = func.bool_or(col(other.started_ip) == col(current.started_ip))
        query = (
            select(func.count(), func.coalesce(same_ip, False))
            .select_from(current)
            .join(other, others & col(other.impersonator_id).is_(None))
            .where(col(current.id) == session_id)
        )
        row: Any = (await self._session.execute(query)).one()
        return bool(row[0] > 0 and not row[1])

    async def has_known_ip(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether the IP address at which this session started is still known."""
        query = select(col(AuthSession.started_ip)).where(col(AuthSession.id) == session_id)
        return bool(await self._session.scalar(query.where(col(AuthSession.user_id) == user_id)))

    async def lock_active(self, session_id: UUID, user_id: UUID) -> bool:
        """Lock a session of an active user against revocation; False if it is not active."""
        query = select(col(AuthSession.id)).join(User, col(User.id) == col(AuthSession.user_id))
        where = (col(AuthSession.id) == session_id, col(AuthSession.user_id) == user_id, *_ACTIVE)
        query = query.where(*where, col(User.is_active), col(User.deleted_at).is_(None))
        return await self._session.scalar(query.with_for_update(of=AuthSession, read=True)) is not None

    async def revoke(self, session_id: UUID, *, user_id: UUID | None = None, forget_ip: bool = False) -> bool:
        """Revoke an active session, of this user if given; False if there is none.

        `forget_ip`: the IP address at which it started is no longer known.
        """
        where = [col(AuthSession.id) == session_id]
        if user_id is not None:
            where.append(col(AuthSession.user_id) == user_id)
        return await self._revoke(where, **({"started_ip": ""} if forget_ip else {})) > 0

    async def revoke_all(self, user_id: UUID, *, except_session_id: UUID | None = None) -> int:
        """Revoke a user's sessions except one, and the user's impersonations. Returns their number."""
        where = [or_(col(AuthSession.user_id) == user_id, col(AuthSession.impersonator_id) == user_id)]
        if except_session_id is not None:
            where.append(col(AuthSession.id) != except_session_id)
        return await self._revoke(where)

    async def forget_known_ips(self, user_id: UUID, *, except_session_id: UUID | None = None) -> None:
        """Forget the IP addresses at which this user signed in, except that of one session."""
        where = [col(AuthSession.user_id) == user_id, col(AuthSession.started_ip) != ""]
        if except_session_id is not None:
            where.append(col(AuthSession.id) != except_session_id)
        await self._write_session.execute(update(AuthSession).where(*where).values(started_ip=""))

    async def clear_passed_mfa(self, user_id: UUID) -> None:
        """Clear `passed_mfa` of all sessions of a user who has no second factor left."""
        passed = (col(AuthSession.user_id) == user_id, col(AuthSession.passed_mfa))
        await self._write_session.execute(update(AuthSession).where(*passed).values(passed_mfa=False))

    async def update_last_seen(self, session_id: UUID, *, ip: str, user_agent: str, expires_at: datetime) -> None:
        """Record the use of a session in the current transaction."""
        changes = {"last_seen_at": utc_now(), "ip": ip, "user_agent": user_agent, "expires_at": expires_at}
        await self._session.execute(update(AuthSession).where(col(AuthSession.id) == session_id).values(**changes))

    async def mark_reauthenticated(self, session_id: UUID, *, passed_mfa: bool) -> None:
        """Record that the user reauthenticated now; `passed_mfa` is only set, never cleared."""
        changes = {"proven_at": utc_now(), **({"passed_mfa": True} if passed_mfa else {})}
        await self._write_session.execute(
            update(AuthSession).where(col(AuthSession.id) == session_id).values(**changes)
        )

    async def erase(self, user_id: UUID) -> None:
        """Delete all sessions of a user."""
        await self._write_session.execute(delete(AuthSession).where(col(AuthSession.user_id) == user_id))

    async def delete_expired(self, before: datetime) -> int:
        """Delete sessions that expired or were revoked before this time."""
        ended = (col(AuthSession.expires_at) < before) | (col(AuthSession.revoked_at) < before)
        return await self._write_session.rowcount(delete(AuthSession).where(ended))

    async def _revoke(self, where: Sequence[Any], **changes: Any) -> int:
        revoked = update(AuthSession).where(*where, *_ACTIVE).values(revoked_at=utc_now(), **changes)
        return await self._write_session.rowcount(revoked)


class RefreshTokenRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def lock(self, token_hash: bytes, interval: timedelta) -> Any:
        """Lock a token and return it with its session and user; None if it is unknown.

        `in_reuse_interval`: whether it was used within this interval, by the clock of the database.
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
        """Return the `session_id` and `user_id` of a token; None if it is unknown."""
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
        """Return the hash of the token that exists; None if none does."""
        query = select(col(RefreshToken.token_hash)).where(col(RefreshToken.token_hash).in_(list(token_hashes)))
        return cast("bytes | None", await self._session.scalar(query))

    async def delete_expired(self, before: datetime) -> int:
        """Delete tokens that were used before this time."""
        return await self._session.rowcount(delete(RefreshToken).where(col(RefreshToken.used_at) < before))


class RegistrationRepository(Repository[Registration]):
    model = Registration

    async def find_by_token(self, token_hash: bytes) -> Registration | None:
        """Return the registration of an emailed link, if neither has expired."""
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
        """Return the newest unexpired registration of an address, preferring those of this device."""
        query = self._query().where(col(Registration.email) == email, col(Registration.expires_at) > func.now())
        is_own = func.coalesce(col(Registration.handle_hash) == handle_hash, false())
        return await self._first(query.order_by(is_own.desc(), col(Registration.created_at).desc()).limit(1))

    async def delete_all(self, email: str) -> Sequence[Registration]:
        """Delete and return all registrations of an address. Their tokens stay: see `reassign`."""
        removed = delete(Registration).where(col(Registration.email) == email).returning(Registration)
        return (await self._write_session.scalars(removed)).all()


class MailTokenRepository:
    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def subject(self, purpose: MailPurpose, token_hash: bytes) -> UUID | None:
        """Return the subject of a valid token of this purpose."""
        query = select(col(MailToken.subject_id)).where(
            col(MailToken.token_hash) == token_hash,
            col(MailToken.purpose) == purpose,
            col(MailToken.expires_at) > func.now(),
        )
        return cast("UUID | None", await self._session.scalar(query))

    async def use(self, purpose: MailPurpose, token_hash: bytes) -> MailToken | None:
        """Delete and return a valid token. Of concurrent calls, only one succeeds."""
        removed = delete(MailToken).where(
            col(MailToken.token_hash) == token_hash,
            col(MailToken.purpose) == purpose,
            col(MailToken.expires_at) > func.now(),
        )
        return (await self._session.scalars(removed.returning(MailToken))).one_or_none()

    async def reassign(self, registrations: Sequence[Registration], user_id: UUID) -> None:
        """Assign the tokens of registrations to the new account, so that later links report that it is verified."""
        of_registrations = col(MailToken.subject_id).in_([each.id for each in registrations])
        verifying = col(MailToken.purpose) == MailPurpose.VERIFY_EMAIL
        await self._session.execute(update(MailToken).where(of_registrations, verifying).values(subject_id=user_id))

    async def revoke_links(self, user_id: UUID) -> None:
        """Delete a user's password reset links, sign-in links, and email changes.

        Email changes are included because an attacker who knew the password may have requested them.
        """
        await self.consume(MailPurpose.RESET_PASSWORD, user_id)
        await self.consume(MailPurpose.MAGIC_LINK, user_id)
        await MailRequestRepository(self._session).delete_all(user_id, MailPurpose.CONFIRM_EMAIL)

    async def consume(self, purpose: MailPurpose, *subjects: UUID) -> int:
        """Delete all tokens of a purpose and return their number. Of concurrent calls, only one deletes them."""
        where = (col(MailToken.subject_id).in_(subjects), col(MailToken.purpose) == purpose)
        return await cast(Session, self._session).rowcount(delete(MailToken).where(*where))


class MailRequestRepository(Repository[MailRequest]):
    model = MailRequest

    async def delete_all(self, user_id: UUID, purpose: MailPurpose) -> Sequence[UUID]:
        """Delete a user's requests of a purpose and their tokens. Returns the IDs of the requests."""
        where = (col(MailRequest.user_id) == user_id, col(MailRequest.purpose) == purpose)
        ids = (
            await self._write_session.scalars(delete(MailRequest).where(*where).returning(col(MailRequest.id)))
        ).all()
        await MailTokenRepository(self._write_session).consume(purpose, *ids)
        return ids

    async def remove(self, request_id: UUID) -> None:
        """Delete a completed request."""
        await self._write_session.execute(delete(MailRequest).where(col(MailRequest.id) == request_id))

    async def erase(self, user_id: UUID) -> None:
        """Delete all requests of a user and the tokens of their email changes."""
        await self.delete_all(user_id, MailPurpose.CONFIRM_EMAIL)
        await self._write_session.execute(delete(MailRequest).where(col(MailRequest.user_id) == user_id))


class SigningKeyRepository:
    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def list_published(self, retired_after: datetime) -> Sequence[SigningKey]:
        """Return all keys except those retired before this time, in order of creation."""
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
        """Return all keys, locked against changes by other processes. The advisory lock also works without rows."""
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
    """Delete registrations, mail requests and tokens that expired before this time."""
    removed = 0
    for model in (MailToken, Registration, MailRequest):
        removed += await session.rowcount(delete(model).where(col(model.expires_at) < before))
    return removed
