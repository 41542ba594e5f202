"""What happens to people: one method per change of state, each audited, each told to whoever listens."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement

from undercroft.core.audit import Entry, record
from undercroft.core.audit import changes as differences
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.step_up import require_recent_authentication
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import KeysetPage, OffsetPage, Position
from undercroft.core.events import publish
from undercroft.core.ids import new_id
from undercroft.core.telemetry.redaction import HIDDEN
from undercroft.modules.users.erasure import request_erasure
from undercroft.modules.users.errors import LastSuperadmin, RoleTooWeak
from undercroft.modules.users.events import EmailChanged, UserDeactivated, UserDeleted, UserRegistered
from undercroft.modules.users.models import User
from undercroft.modules.users.repository import UserRepository

ACTIVE, INACTIVE = {"is_active": True}, {"is_active": False}


class NewUser(Struct, frozen=True, kw_only=True):
    """What a person begins with; `password_hash` is kept out of every repr."""

    email: str
    password_hash: str | None
    full_name: str = ""
    role: PlatformRole = PlatformRole.USER

    def __repr__(self) -> str:
        return f"<NewUser {self.role}>"


class UserService:
    """Changes are made in the session's transaction, by the person, an administrator, or a command (no actor)."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._users = UserRepository(session)

    async def create(self, new: NewUser, *, actor_id: UUID | None = None) -> User:
        """A person whose address is proven. Raises `EmailTaken`."""
        await self._users.reserve_email(new.email)
        user = User(
            id=new_id(),
            email=new.email,
            password_hash=new.password_hash,
            full_name=new.full_name,
            role=new.role,
            email_verified_at=utc_now(),
        )
        await self._users.create(user)
        await publish(self._session, UserRegistered(user.id))
        after = {"email": new.email, "full_name": new.full_name, "role": new.role.value}
        await self._audit("user.registered", user.id, actor_id or user.id, after=after)
        return user

    async def update_profile(self, user_id: UUID, changes: Mapping[str, Any]) -> User:
        """Change what people say about themselves. Raises `UserNotFound`."""
        user = await self._users.lock(user_id)
        before, after = differences(user, changes)
        if after:
            await self._users.update(user, after)
            await self._audit("user.profile_changed", user_id, user_id, before=before, after=after)
        return user

    async def update_as_admin(self, user_id: UUID, changes: Mapping[str, Any], *, by: Principal) -> User:
        """Change somebody as an administrator. Raises `UserNotFound`, `RoleTooWeak`, `LastSuperadmin`.

        Raises what `require_recent_authentication` raises when the role changes, or the address begins to count as
        verified.
        """
        user, is_last = await self._lock_with_superadmins(user_id)
        _require_rank(by, user, changes.get("role", user.role))
        before, after = differences(user, _with_verification(user, changes))
        if is_last and "role" in after:
            raise LastSuperadmin
        if "role" in after or after.get("email_verified_at"):
            require_recent_authentication(by)
        if after:
            await self._users.update(user, after)
            action = "user.role_changed" if "role" in after else "user.changed"
            await self._audit(action, user.id, by.user_id, before=before, after=after)
        return user

    async def deactivate(self, user_id: UUID, *, by: Principal) -> User:
        """Keep somebody out, from the next request on. Raises `UserNotFound`, `RoleTooWeak`, `LastSuperadmin`."""
        user, is_last = await self._lock_with_superadmins(user_id)
        _require_rank(by, user, user.role)
        if not user.is_active:
            return user
        if is_last:
            raise LastSuperadmin
        await self._users.update(user, {"is_active": False})
        await publish(self._session, UserDeactivated(user.id))
        await self._audit("user.deactivated", user.id, by.user_id, before=ACTIVE, after=INACTIVE)
        return user

    async def activate(self, user_id: UUID, *, by: Principal) -> User:
        """Let a user sign in again.

        Raises `UserNotFound`, `RoleTooWeak`, and what `require_recent_authentication` raises.
        """
        user = await self._users.lock(user_id)
        _require_rank(by, user, user.role)
        if not user.is_active:
            require_recent_authentication(by)
            await self._users.update(user, {"is_active": True})
            await self._audit("user.activated", user.id, by.user_id, before=INACTIVE, after=ACTIVE)
        return user

    async def lock_as_admin(self, user_id: UUID, *, by: Principal) -> User:
        """Somebody whom this administrator may change, until the transaction ends.

        Raises `UserNotFound`, `RoleTooWeak`.
        """
        user = await self._users.lock(user_id)
        _require_rank(by, user, user.role)
        return user

    async def require_rank(self, user_id: UUID, *, by: Principal) -> None:
        """Nothing, for oneself and for whom this administrator may change. Raises `UserNotFound`, `RoleTooWeak`."""
        if user_id != by.user_id:
            user = await self._users.get(user_id)
            _require_rank(by, user, user.role)

    async def make_superadmin(self, user_id: UUID) -> User:
        """Give somebody every right on the platform, as a command does. Raises `UserNotFound`."""
        user = await self._users.lock(user_id)
        before, after = differences(user, {"role": PlatformRole.SUPERADMIN, "is_active": True})
        if after:
            await self._users.update(user, after)
            action = "user.role_changed" if "role" in after else "user.activated"
            await self._audit(action, user_id, None, before=before, after=after)
        return user

    async def set_password(
        self,
        user_id: UUID,
        password_hash: str,
        *,
        action: str,
        actor_id: UUID | None,
        details: Mapping[str, Any] | None = None,
    ) -> User:
        """Store the hash of a new password; `details` are for the audit log. Raises `UserNotFound`."""
        user = await self._users.lock(user_id)
        before = {"password": HIDDEN if user.password_hash else None}
        await self._users.update(user, {"password_hash": password_hash})
        await self._audit(action, user_id, actor_id, before=before, after={"password": HIDDEN}, details=details)
        return user

    async def change_email(self, user_id: UUID, email: str, *, previous: str | None = None) -> str:
        """Move somebody to an address that they have proven; the earlier one is returned. Raises `EmailTaken`.

        `previous` is the earlier address of an account that was parked at another one in between.
        """
        await self._users.reserve_email(email)
        user = await self._users.lock(user_id)
        before = previous or user.email
        await self._users.update(user, {"email": email, "email_verified_at": utc_now()})
        await publish(self._session, EmailChanged(user_id, before))
        await self._audit("user.email_changed", user_id, user_id, before={"email": before}, after={"email": email})
        return before

    async def delete(self, user_id: UUID) -> None:
        """Anonymise somebody for good; the address is free again. Raises `UserNotFound`, `LastSuperadmin`."""
        user, is_last = await self._lock_with_superadmins(user_id)
        if is_last:
            raise LastSuperadmin
        email = user.email
        await self._users.update(user, _anonymized_values(user_id))
        # before the event, so that what subscribers erase includes where this came from
        await self._audit("user.deleted", user_id, user_id, before={"deleted": False}, after={"deleted": True})
        await publish(self._session, UserDeleted(user_id, email))
        await request_erasure(self._session, user_id)

    async def _lock_with_superadmins(self, user_id: UUID) -> tuple[User, bool]:
        """The person, and whether no other superadmin may come in. Superadmins are held first, in one order for all."""
        superadmins = await self._users.lock_superadmins()
        return await self._users.lock(user_id), list(superadmins) == [user_id]

    async def _audit(
        self,
        action: str,
        user_id: UUID,
        actor_id: UUID | None,
        *,
        after: Mapping[str, Any],
        before: Mapping[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        entry = Entry(action, actor_id, "user", user_id, before=before or {}, after=after, details=details or {})
        await record(self._session, entry)


class UserReadService:
    """People as administrators look them up."""

    def __init__(self, session: ReadSession) -> None:
        self._users = UserRepository(session)

    async def get(self, user_id: UUID) -> User:
        """Raises `UserNotFound`."""
        return await self._users.get(user_id)

    async def list(
        self, *where: ColumnElement[bool], q: str | None, sort: str | None, page: int, size: int
    ) -> OffsetPage[User]:
        """One page of the people that match, the newest first unless sorted otherwise. Raises `UnknownSort`."""
        return await self._users.list(*where, q=q, sort=sort, page=page, size=size)

    async def list_after(
        self, *where: ColumnElement[bool], q: str | None, after: Position | None, limit: int
    ) -> KeysetPage[User]:
        """The next people that match, the newest first, without counting."""
        return await self._users.list_after(*where, q=q, after=after, limit=limit)


def _require_rank(by: Principal, user: User, role: str) -> None:
    """An admin may change people who are neither admin nor to become one; a superadmin may change anybody."""
    if by.role is not PlatformRole.SUPERADMIN and {user.role, role} != {PlatformRole.USER}:
        raise RoleTooWeak


def _with_verification(user: User, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of `email_verified` the moment that is kept for it, unless it is so already."""
    rest = {name: value for name, value in changes.items() if name != "email_verified"}
    verified = changes.get("email_verified", user.email_verified)
    return rest if verified == user.email_verified else {**rest, "email_verified_at": utc_now() if verified else None}


def _anonymized_values(user_id: UUID) -> dict[str, Any]:
    return {
        "email": f"{user_id}@deleted.invalid",
        "full_name": "",
        "locale": "en",
        "timezone": "UTC",
        "password_hash": None,
        "avatar_url": None,
        "notifications": {},
        "role": PlatformRole.USER,
        "is_active": False,
        "email_verified_at": None,
        "second_factors": [],
        "deleted_at": utc_now(),
    }
