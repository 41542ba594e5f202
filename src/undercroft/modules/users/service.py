"""Read, change, delete and notify users. Each change is made once, audited and published as an event."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement

from undercroft.core.audit import Entry, current_actor, current_origin, record
from undercroft.core.audit import changes as differences
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.step_up import require_recent_authentication
from undercroft.core.db import Paging, ReadSession, RowPage, Session, utc_now
from undercroft.core.db.entity_fields import personal_fields
from undercroft.core.db.privacy import erase_user
from undercroft.core.events import publish
from undercroft.core.hooks import decide
from undercroft.core.http.user_agents import describe_user_agent
from undercroft.core.overrides import Service, call_super
from undercroft.core.telemetry.redaction import HIDDEN
from undercroft.jobs import enqueue
from undercroft.modules.users.errors import LastSuperadmin, RoleTooWeak
from undercroft.modules.users.events import EmailChanged, UserDeactivated, UserDeleted, UserErased, UserRegistered
from undercroft.modules.users.hooks import SignUp
from undercroft.modules.users.models import User
from undercroft.modules.users.repository import UserRepository

ACTIVE, INACTIVE = {"is_active": True}, {"is_active": False}

ERASURE_DELAY = timedelta(minutes=10)
"""Long enough for the user's last requests to finish and for the emails about the deletion to be sent."""


class NewUser(Struct, frozen=True, kw_only=True):
    """Fields of a new user. The repr omits `password_hash`."""

    email: str
    password_hash: str | None
    full_name: str = ""
    role: PlatformRole = PlatformRole.USER

    def __repr__(self) -> str:
        return f"<NewUser {self.role}>"


class UserService(Service):
    """Pass a `Session` to change users, a `ReadSession` to read them.

    Changes are made by the user, an administrator or a command (no actor).
    """

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._users = UserRepository(session)

    async def get(self, user_id: UUID) -> User:
        """Return a user. Raises `UserNotFound`."""
        return await self._users.get(user_id)

    async def list(self, paging: Paging, *where: ColumnElement[bool]) -> RowPage[User]:
        """List matching users, newest first by default. Raises `UnknownSort`."""
        return await self._users.list(paging, *where)

    @call_super
    async def sign_up(self, sign_up: SignUp, password_hash: str | None) -> User:
        """Create the account of a user who signs up with a verified address, if the hooks of `SignUp` accept it.

        Raises `EmailTaken` and what the hooks raise.
        """
        await self._users.reserve_email(sign_up.email)
        full_name = (await decide(self._session.writable, sign_up)).full_name
        return await self.create(NewUser(email=sign_up.email, password_hash=password_hash, full_name=full_name))

    @call_super
    async def create(self, new: NewUser, *, actor_id: UUID | None = None) -> User:
        """Create a user with a verified address, without a decision of hooks. Raises `EmailTaken`."""
        await self._users.reserve_email(new.email)
        user = User(
            email=new.email,
            password_hash=new.password_hash,
            full_name=new.full_name,
            role=new.role,
            email_verified_at=utc_now(),
        )
        await self._users.create(user)
        await publish(self._session.writable, UserRegistered(user.id))
        after = {"email": new.email, "full_name": new.full_name, "role": new.role.value}
        await self._audit("user.registered", user.id, actor_id or user.id, after=after)
        return user

    @call_super
    async def update_profile(self, user_id: UUID, changes: Mapping[str, Any]) -> User:
        """Change the profile. Raises `UserNotFound`."""
        user = await self._users.lock(user_id)
        before, after = differences(user, changes)
        if after:
            await self._users.update(user, after)
            await self._audit("user.profile_changed", user_id, user_id, before=before, after=after)
        return user

    @call_super
    async def update_as_admin(self, user_id: UUID, changes: Mapping[str, Any], *, by: Principal) -> User:
        """Change a user as an administrator. Raises `UserNotFound`, `RoleTooWeak`, `LastSuperadmin`.

        Changing the role or marking the address as verified also raises the errors of `require_recent_authentication`.
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

    @call_super
    async def deactivate(self, user_id: UUID, *, by: Principal) -> User:
        """Block a user from the next request on. Raises `UserNotFound`, `RoleTooWeak`, `LastSuperadmin`."""
        user, is_last = await self._lock_with_superadmins(user_id)
        _require_rank(by, user, user.role)
        if not user.is_active:
            return user
        if is_last:
            raise LastSuperadmin
        await self._users.update(user, {"is_active": False})
        await publish(self._session.writable, UserDeactivated(user.id))
        await self._audit("user.deactivated", user.id, by.user_id, before=ACTIVE, after=INACTIVE)
        return user

    @call_super
    async def activate(self, user_id: UUID, *, by: Principal) -> User:
        """Allow a user to sign in again.

        Raises `UserNotFound`, `RoleTooWeak`, and the errors of `require_recent_authentication`.
        """
        user = await self._users.lock(user_id)
        _require_rank(by, user, user.role)
        if not user.is_active:
            require_recent_authentication(by)
            await self._users.update(user, {"is_active": True})
            await self._audit("user.activated", user.id, by.user_id, before=INACTIVE, after=ACTIVE)
        return user

    @call_super
    async def lock_as_admin(self, user_id: UUID, *, by: Principal) -> User:
        """Lock a user that this administrator may change, until the transaction ends.

        Raises `UserNotFound`, `RoleTooWeak`.
        """
        user = await self._users.lock(user_id)
        _require_rank(by, user, user.role)
        return user

    @call_super
    async def require_rank(self, user_id: UUID, *, by: Principal) -> None:
        """Require permission to change a user, or that it is the current user. Raises `UserNotFound`, `RoleTooWeak`."""
        if user_id != by.user_id:
            user = await self._users.get(user_id)
            _require_rank(by, user, user.role)

    @call_super
    async def make_superadmin(self, user_id: UUID) -> User:
        """Promote a user to superadmin and activate the account, for a command. Raises `UserNotFound`."""
        user = await self._users.lock(user_id)
        before, after = differences(user, {"role": PlatformRole.SUPERADMIN, "is_active": True})
        if after:
            await self._users.update(user, after)
            action = "user.role_changed" if "role" in after else "user.activated"
            await self._audit(action, user_id, None, before=before, after=after)
        return user

    @call_super
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
        await self._audit(action, user_id, actor_id, before=before, after={"password": HIDDEN}, details=details or {})
        return user

    @call_super
    async def change_email(self, user_id: UUID, email: str, *, previous: str | None = None) -> str:
        """Change to an address verified by the user; return the previous one. Raises `EmailTaken`.

        `previous` is the address to record as the previous one, for an account with a placeholder address meanwhile.
        """
        await self._users.reserve_email(email)
        user = await self._users.lock(user_id)
        before = previous or user.email
        await self._users.update(user, {"email": email, "email_verified_at": utc_now()})
        await publish(self._session.writable, EmailChanged(user_id, before))
        await self._audit("user.email_changed", user_id, user_id, before={"email": before}, after={"email": email})
        return before

    @call_super
    async def delete(self, user_id: UUID) -> None:
        """Anonymize a user permanently, which frees the address. Raises `UserNotFound`, `LastSuperadmin`."""
        from undercroft.modules.users.tasks import erase

        user, is_last = await self._lock_with_superadmins(user_id)
        if is_last:
            raise LastSuperadmin
        email = user.email
        await self._users.update(user, _anonymized_values(user_id))
        # before the event, so that subscribers also erase the origin of this entry
        await self._audit("user.deleted", user_id, user_id, before={"deleted": False}, after={"deleted": True})
        await publish(self._session.writable, UserDeleted(user_id, email))
        await enqueue(self._session.writable, erase, user_id=user_id, delay=ERASURE_DELAY)

    async def _lock_with_superadmins(self, user_id: UUID) -> tuple[User, bool]:
        """Lock all superadmins, always in the same order, then the user; return whether it is the last one."""
        superadmins = await self._users.lock_superadmins()
        return await self._users.lock(user_id), list(superadmins) == [user_id]

    async def _audit(self, action: str, user_id: UUID, actor_id: UUID | None, **fields: Any) -> None:
        entry = Entry(action, actor_id, "user", user_id, personal=personal_fields(User), **fields)
        await record(self._session.writable, entry)


async def erase_deleted(session: Session, user_id: UUID) -> dict[str, int]:
    """Erase a deleted user from every table, by its privacy declaration; return the number of rows by table."""
    addresses = await UserRepository(session).list_addresses(user_id)
    erased = await erase_user(session, user_id, addresses)
    await publish(session, UserErased(user_id))
    return erased


async def notify(session: Session, user_id: UUID, template: str, **facts: str) -> None:
    """Enqueue an email to a user about the account, sent after the session's transaction has committed.

    Templates receive `name`, `when`, `where`, `link` and these facts.
    """
    from undercroft.modules.users.tasks import send_notification

    origin = _describe_origin(user_id)
    await enqueue(
        session, send_notification, user_id=user_id, template=template, when=utc_now(), facts=facts, where=origin
    )


def _describe_origin(user_id: UUID) -> str:
    """IP address and browser of the user's own action; empty for an action by an administrator, who stays private."""
    actor, origin = current_actor(), current_origin()
    if actor.user_id not in (None, user_id) or actor.impersonator_id is not None:
        return ""
    program = describe_user_agent(origin.user_agent)
    return f"{origin.ip} ({program})" if origin.ip and program else origin.ip


def _require_rank(by: Principal, user: User, role: str) -> None:
    """Require superadmin to change an administrator or promote a user. Raises `RoleTooWeak`."""
    if by.role is not PlatformRole.SUPERADMIN and {user.role, role} != {PlatformRole.USER}:
        raise RoleTooWeak


def _with_verification(user: User, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace `email_verified` by a timestamp, or drop it if it does not change."""
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
