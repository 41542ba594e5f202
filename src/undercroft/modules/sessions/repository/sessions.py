"""Queries of sessions, refresh tokens and signing keys."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.orm import aliased
from sqlmodel import col

from undercroft.core.db import Paging, Repository, RowPage, Statement, utc_now
from undercroft.core.db.last_used import LastUsedTracker
from undercroft.core.settings import load
from undercroft.modules.sessions.models import AuthSession, RefreshToken, SigningKey
from undercroft.modules.sessions.settings import SessionSettings
from undercroft.modules.users import User

_ACTIVE = (col(AuthSession.revoked_at).is_(None), col(AuthSession.expires_at) > func.now())


class SessionRepository(Repository[AuthSession]):
    model = AuthSession
    sortable = ("last_seen_at",)
    default_sort = "-last_seen_at"

    async def list_active(self, user_id: UUID, paging: Paging) -> RowPage[AuthSession]:
        """List a user's active sessions without impersonations, most recently used first."""
        where = (col(AuthSession.user_id) == user_id, col(AuthSession.impersonator_id).is_(None), *_ACTIVE)
        return await self.list(paging, *where)

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

    async def get_impersonator_session_id(self, session_id: UUID) -> UUID | None:
        """Return the session of the administrator who started this impersonation."""
        query = select(col(AuthSession.impersonator_session_id)).where(col(AuthSession.id) == session_id)
        return cast("UUID | None", await self._session.scalar(query))

    async def revoke(self, session_id: UUID, *, user_id: UUID | None = None, forget_ip: bool = False) -> bool:
        """Revoke an active session, of this user if given; False if there is none.

        `forget_ip`: the IP address at which it started is no longer known.
        """
        owned = [] if user_id is None else [col(AuthSession.user_id) == user_id]
        changes = {"started_ip": ""} if forget_ip else {}
        return await self._revoke(col(AuthSession.id) == session_id, *owned, **changes) > 0

    async def revoke_all(self, user_id: UUID, *, except_session_id: UUID | None = None) -> int:
        """Revoke a user's sessions except one, and the user's impersonations. Returns their number."""
        own = or_(col(AuthSession.user_id) == user_id, col(AuthSession.impersonator_id) == user_id)
        return await self._revoke(own, *_except(except_session_id))

    async def revoke_by_issuer(self, user_id: UUID, issuer: str, *, except_session_id: UUID | None) -> int:
        """Revoke a user's sessions that this identity provider started, except one. Returns their number."""
        where = [col(AuthSession.user_id) == user_id, col(AuthSession.issuer) == issuer]
        return await self._revoke(*where, *_except(except_session_id), started_ip="")

    async def forget_known_ips(self, user_id: UUID, *, except_session_id: UUID | None = None) -> None:
        """Forget the IP addresses at which this user signed in, except that of one session."""
        where = [col(AuthSession.user_id) == user_id, col(AuthSession.started_ip) != ""]
        await self._update(*where, *_except(except_session_id), started_ip="")

    async def clear_passed_mfa(self, user_id: UUID) -> None:
        """Clear `passed_mfa` of the user's sessions: a removed second factor must not count for a new one."""
        await self._update(col(AuthSession.user_id) == user_id, col(AuthSession.passed_mfa), passed_mfa=False)

    async def update_last_seen(self, session_id: UUID, *, ip: str, user_agent: str, expires_at: datetime) -> None:
        """Record the use of a session in the current transaction."""
        changes = {"last_seen_at": utc_now(), "ip": ip, "user_agent": user_agent, "expires_at": expires_at}
        await self._update(col(AuthSession.id) == session_id, **changes)

    async def mark_reauthenticated(self, session_id: UUID, *, passed_mfa: bool) -> None:
        """Record that the user reauthenticated now; `passed_mfa` is only set, never cleared."""
        changes = {"reauthenticated_at": utc_now(), **({"passed_mfa": True} if passed_mfa else {})}
        await self._update(col(AuthSession.id) == session_id, **changes)

    async def delete_expired(self, before: datetime) -> int:
        """Delete sessions that expired or were revoked before this time."""
        return await self._delete((col(AuthSession.expires_at) < before) | (col(AuthSession.revoked_at) < before))

    async def _revoke(self, *where: ColumnElement[bool], **changes: Any) -> int:
        return await self._update(*where, *_ACTIVE, revoked_at=utc_now(), **changes)


def _except(session_id: UUID | None) -> Sequence[ColumnElement[bool]]:
    return [] if session_id is None else [col(AuthSession.id) != session_id]


class LastSeen(LastUsedTracker):
    """Records when sessions were last used, which extends the expiry of cookie sessions."""

    update_statement = Statement(
        text(
            "UPDATE auth_sessions AS s SET last_seen_at = seen.at, ip = seen.ip, "
            "expires_at = CASE WHEN s.kind = 'cookie' "
            "THEN least(seen.at + CAST(:idle AS interval), s.ends_at) ELSE s.expires_at END "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[]), CAST(:ips AS text[])) AS seen (id, at, ip) "
            "WHERE s.id = seen.id AND s.revoked_at IS NULL AND s.last_seen_at < seen.at"
        )
    )

    def extra_values(self) -> dict[str, Any]:
        return {"idle": load(SessionSettings).idle_timeout}


class RefreshTokenRepository(Repository[RefreshToken]):
    model = RefreshToken

    async def lock_for_use(self, token_hash: bytes, interval: timedelta) -> Any:
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
        query = (
            select(col(RefreshToken.session_id), col(AuthSession.user_id))
            .join(AuthSession, col(AuthSession.id) == col(RefreshToken.session_id))
            .where(col(RefreshToken.token_hash) == token_hash)
        )
        return (await self._session.execute(query)).one_or_none()

    async def use(self, token_hash: bytes) -> None:
        await self._update(col(RefreshToken.token_hash) == token_hash, used_at=func.clock_timestamp())

    async def find_existing(self, token_hashes: Iterable[bytes]) -> bytes | None:
        query = select(col(RefreshToken.token_hash)).where(col(RefreshToken.token_hash).in_(list(token_hashes)))
        return cast("bytes | None", await self._session.scalar(query))

    async def delete_expired(self, before: datetime) -> int:
        return await self._delete(col(RefreshToken.used_at) < before)


class SigningKeyRepository(Repository[SigningKey]):
    model = SigningKey

    async def list_published(self, retired_after: datetime) -> Sequence[SigningKey]:
        """Return all keys except those retired before this time, in order of creation."""
        query = select(SigningKey).where(
            col(SigningKey.retired_at).is_(None) | (col(SigningKey.retired_at) > retired_after)
        )
        return (await self._session.scalars(query.order_by(col(SigningKey.created_at), col(SigningKey.kid)))).all()

    async def all(self) -> Sequence[SigningKey]:
        return (await self._session.scalars(select(SigningKey).order_by(col(SigningKey.created_at)))).all()

    async def lock_all(self) -> Sequence[SigningKey]:
        """Return all keys, locked against changes by other processes. The advisory lock also works without rows."""
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("auth.signing_keys", 0))))
        return await self.all()
