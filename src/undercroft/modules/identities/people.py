"""From who somebody is at a provider to who they are here.

An identity is somebody for ever by its issuer and subject. The first time, its address decides: an account is made, or
the one that has this address is linked, and that only when the issuer and we both know the address to be theirs.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session, utc_now
from undercroft.core.ids import new_id
from undercroft.core.settings import load
from undercroft.modules.auth import FirstStep, require_lasting
from undercroft.modules.identities.errors import (
    AccountInactive,
    EmailUnverified,
    IdentityConflict,
    IdentityTaken,
)
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.notices import Notice, tell
from undercroft.modules.identities.repository import IdentityRepository, own_identities
from undercroft.modules.users import EmailTaken, LastSuperadmin, NewUser, User, UserRepository, UserService
from undercroft.providers.identity import IdentitySettings, Profile

log = structlog.get_logger("undercroft.security")


class People:
    """In one transaction; `provider` is how the profile came here."""

    def __init__(self, session: Session, provider: str) -> None:
        self._session = session
        self._provider = provider
        self._identities = IdentityRepository(session)
        self._users = UserRepository(session)

    async def sign_in(self, profile: Profile) -> User:
        """Who this is here, made or linked when seen for the first time.

        Raises `AccountInactive`, and for newcomers `EmailUnverified`, `DisposableAddress` and `IdentityConflict`.
        """
        identity = await self._identities.hold(profile.issuer, profile.subject)
        if identity is not None:
            return await self._known(identity, profile)
        user, is_new = await self._newcomer(profile)
        await self.link(user.id, profile, tell_them=not is_new)
        return user

    async def _known(self, identity: ExternalIdentity, profile: Profile) -> User:
        user_of = await self._users.find(identity.user_id) if identity.user_id else None
        if user_of is None or not user_of.is_active:
            raise AccountInactive
        await self._note(identity, profile)
        return user_of

    async def identify(self, profile: Profile) -> tuple[User, FirstStep]:
        """Who this is here, for a sign-in that may still ask for a second factor. Raises as `sign_in` does.

        An account with second factors is not linked yet: the first step says what is to be linked by `complete`.
        """
        first_step = FirstStep(profile.issuer)
        identity = await self._identities.hold(profile.issuer, profile.subject)
        if identity is not None:
            return await self._known(identity, profile), first_step
        user, is_new = await self._newcomer(profile)
        if user.second_factors:
            pending = {"provider": self._provider, "profile": msgspec.to_builtins(profile)}
            return user, FirstStep(profile.issuer, pending)
        await self.link(user.id, profile, tell_them=not is_new)
        return user, first_step

    async def link(self, user_id: UUID, profile: Profile, *, tell_them: bool = True) -> ExternalIdentity:
        """Let this identity sign in to this account from now on; its owner gets a mail. Raises `IdentityTaken`."""
        known = await self._identities.hold(profile.issuer, profile.subject)
        if known is not None:
            if known.user_id != user_id:
                raise IdentityTaken
            await self._note(known, profile)
            return known
        identity = ExternalIdentity(
            id=new_id(),
            user_id=user_id,
            provider=self._provider,
            issuer=profile.issuer,
            subject=profile.subject,
            email=profile.email,
            email_verified=profile.email_verified,
            known_at=profile.at,
            last_used_at=utc_now(),
        )
        await self._identities.create(identity)
        after = {"provider": self._provider, "issuer": profile.issuer}
        entry = Entry("identity.linked", user_id, "identity", identity.id, after=after, person_id=user_id)
        await record(self._session, entry)
        if tell_them:
            await tell(self._session, user_id, Notice.IDENTITY_LINKED, self._provider)
        return identity

    async def sync(self, profile: Profile) -> User | None:
        """Bring an account up to date with what its issuer says, if that is news; None for somebody not known."""
        identity = await self._identities.hold(profile.issuer, profile.subject)
        if identity is None or identity.user_id is None:
            return None
        user = await self._users.lock(identity.user_id)
        if _is_news(identity, profile.at):
            if profile.email and profile.email_verified and profile.email != user.email:
                await self._move(user, profile.email)
            if profile.full_name and profile.full_name != user.full_name:
                await UserService(self._session).update_profile(user.id, {"full_name": profile.full_name})
            await self._note(identity, profile)
        return user

    async def end(self, profile: Profile) -> None:
        """The issuer says that somebody is gone: so is the account, unless another identity signs in to it."""
        identity = await self._identities.hold(profile.issuer, profile.subject)
        if identity is None:
            await self._identities.create(self._remembered(profile))
            return
        user_id = identity.user_id
        if user_id is None:
            return
        forgotten = {"user_id": None, "email": None, "email_verified": False, "known_at": profile.at}
        await self._identities.update(identity, forgotten)
        before = {"provider": identity.provider, "issuer": identity.issuer}
        await record(
            self._session, Entry("identity.ended", None, "identity", identity.id, before=before, person_id=user_id)
        )
        if not await own_identities(self._session, user_id):
            await self._delete(user_id)

    def _remembered(self, profile: Profile) -> ExternalIdentity:
        """That somebody is gone who was never here."""
        issuer, subject = profile.issuer, profile.subject
        return ExternalIdentity(
            id=new_id(), provider=self._provider, issuer=issuer, subject=subject, known_at=profile.at
        )

    async def _delete(self, user_id: UUID) -> None:
        try:
            await UserService(self._session).delete(user_id)
        except LastSuperadmin:
            log.warning(
                "identity.ended_of_last_superadmin", user_id=str(user_id), hint="The account stays, unreachable."
            )

    async def _newcomer(self, profile: Profile) -> tuple[User, bool]:
        """A new account and True, or the one with this address and False.

        Who has the address is only looked at once it is proven.
        """
        if profile.email is None or not profile.email_verified:
            raise EmailUnverified
        try:
            await self._users.reserve_email(profile.email)
            if not load(IdentitySettings).is_external:  # whom another service lets in is that service's to say
                require_lasting(profile.email)
            new = NewUser(email=profile.email, password_hash=None, full_name=profile.full_name)
            return await UserService(self._session).create(new), True
        except EmailTaken:
            user = await self._users.by_email(profile.email)
        if user is None or not user.email_verified:
            raise IdentityConflict
        if not user.is_active:
            raise AccountInactive
        return await self._users.lock(user.id), False

    async def _move(self, user: User, email: str) -> None:
        """To an address that is free; of one that somebody has here, nothing is taken."""
        try:
            await UserService(self._session).change_email(user.id, email)
        except EmailTaken:
            return

    async def _note(self, identity: ExternalIdentity, profile: Profile) -> None:
        changes: dict[str, object] = {"last_used_at": utc_now()}
        if _is_news(identity, profile.at):
            changes |= {"email": profile.email, "email_verified": profile.email_verified, "known_at": profile.at}
        await self._identities.update(identity, changes)


async def complete(session: Session, user_id: UUID, pending: dict[str, Any]) -> None:
    """Link the identity of which a sign-in was begun that has seen all factors by now. Raises `IdentityTaken`."""
    profile = msgspec.convert(pending["profile"], Profile)
    await People(session, pending["provider"]).link(user_id, profile)


def _is_news(identity: ExternalIdentity, at: datetime | None) -> bool:
    """Whether this was known later than what is kept; providers that tell no times are always believed."""
    return at is None or identity.known_at is None or at > identity.known_at
