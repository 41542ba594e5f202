"""Maps identities of external issuers to local accounts.

Issuer and subject identify an identity permanently. When it is seen for the first time, its email address decides: a
new account is created, or the account with this address is linked. Linking requires that the address is verified by
the issuer and for the account.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from msgspec import UnsetType

from undercroft.core.audit import SYSTEM, Entry, record, use_actor
from undercroft.core.db import Session, utc_now
from undercroft.core.errors import AppError
from undercroft.core.security.tokens import hash_token
from undercroft.core.settings import load
from undercroft.modules.auth import require_permanent_email
from undercroft.modules.identities.errors import (
    AccountInactive,
    EmailLinkedToOtherIdentity,
    EmailUnverified,
    IdentityConflict,
    IdentityTaken,
)
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.repository import IdentityRepository, SingleUseRepository, session_mark
from undercroft.modules.identities.service.pending_emails import retry_pending_email
from undercroft.modules.sessions import FirstFactor, SessionService
from undercroft.modules.teams import list_orphaned_teams
from undercroft.modules.users import (
    EmailTaken,
    LastSuperadmin,
    SignUp,
    SignUpMethod,
    User,
    UserRepository,
    UserService,
    notify,
)
from undercroft.providers.identity import (
    IdentitySettings,
    Profile,
    ProviderEvent,
    ProviderEventKind,
    get_provider_label,
)

RETENTION = timedelta(days=7)
"""How long used events are stored: providers retry a webhook, and tokens of an ended session are valid, for less."""

log = structlog.get_logger("undercroft.security")


class IdentityLinker:
    """Links identities within one transaction. `provider` is the name of the provider that reported the profile."""

    def __init__(self, session: Session, provider: str) -> None:
        self._session = session
        self._provider = provider
        self._identities = IdentityRepository(session)
        self._users = UserRepository(session)

    async def sign_in(self, profile: Profile) -> User:
        """Return the user of this identity; create or link the account when the identity is new.

        Raises `AccountInactive`, and for new identities `EmailUnverified`, `DisposableEmail` and `IdentityConflict`.
        """
        user, first_factor = await self.identify(profile)
        if first_factor.identity is not None:
            await self.link(user.id, profile)
        return user

    async def _sign_in_known(self, identity: ExternalIdentity, profile: Profile) -> User:
        user = await self._users.find(identity.user_id) if identity.user_id else None
        if user is None or not user.is_active:
            raise AccountInactive
        if profile.issuer == load(IdentitySettings).issuer:
            await self._update(identity, await self._users.lock(user.id), profile)
        if _is_blocked(identity):
            raise AccountInactive
        await self._record_use(identity, profile)
        return user

    async def identify(self, profile: Profile) -> tuple[User, FirstFactor]:
        """Return the user of this identity and the first factor of the sign-in. Raises as `sign_in` does.

        A new identity is not linked yet to an account with second factors: the first factor contains the identity that
        `complete_link` links after the second factor was verified.
        """
        first_factor = FirstFactor(profile.issuer)
        identity = await self._identities.lock_by_subject(profile.issuer, profile.subject)
        if identity is not None:
            return await self._sign_in_known(identity, profile), first_factor
        user, is_new = await self._find_or_create_user(profile)
        if user.second_factors:
            pending = {"provider": self._provider, "profile": msgspec.to_builtins(profile)}
            return user, FirstFactor(profile.issuer, pending)
        await self.link(user.id, profile, notify_user=not is_new)
        return user, first_factor

    async def link(self, user_id: UUID, profile: Profile, *, notify_user: bool = True) -> ExternalIdentity:
        """Link the identity to the account, so that it can sign in. Emails the owner. Raises `IdentityTaken`."""
        known = await self._identities.lock_by_subject(profile.issuer, profile.subject)
        if known is not None:
            if known.user_id != user_id:
                raise IdentityTaken
            await self._record_use(known, profile)
            return known
        identity = ExternalIdentity(
            user_id=user_id,
            provider=self._provider,
            issuer=profile.issuer,
            subject=profile.subject,
            email=profile.email,
            email_verified=profile.email_verified,
            known_at=profile.at,
            blocked_until=None if isinstance(profile.blocked_until, UnsetType) else profile.blocked_until,
            block_known_at=None if isinstance(profile.blocked_until, UnsetType) else profile.at,
            last_used_at=utc_now(),
        )
        await self._identities.create(identity)
        after = {"provider": self._provider, "issuer": profile.issuer}
        entry = Entry("identity.linked", user_id, "identity", identity.id, after=after, person_id=user_id)
        await record(self._session, entry)
        if notify_user:
            provider = get_provider_label(self._provider)
            await notify(self._session, user_id, "identities/identity_linked", provider=provider)
        return identity

    async def sync(self, profile: Profile) -> User | None:
        identity = await self._identities.lock_by_subject(profile.issuer, profile.subject)
        if identity is None or identity.user_id is None:
            return None
        user = await self._users.lock(identity.user_id)
        await self._update(identity, user, profile)
        return user

    async def _update(self, identity: ExternalIdentity, user: User, profile: Profile) -> None:
        """Apply a newer profile of the issuer that manages the accounts to a locked user."""
        await self._update_block(identity, user, profile)
        if profile.email is None or not _is_newer(identity.known_at, profile.at):
            return
        if profile.email_verified:
            await self._change_email(identity, user, profile.email)
        if profile.full_name and profile.full_name != user.full_name:
            await UserService(self._session).update_profile(user.id, {"full_name": profile.full_name})
        await self._record_use(identity, profile)

    async def _update_block(self, identity: ExternalIdentity, user: User, profile: Profile) -> None:
        """Store the block state. A newly blocked user is signed out; tokens and API keys work again after the block."""
        if isinstance(profile.blocked_until, UnsetType) or not _is_newer(identity.block_known_at, profile.at):
            return
        was_blocked = _is_blocked(identity)
        changes = {"blocked_until": profile.blocked_until, "block_known_at": profile.at}
        await self._identities.update(identity, changes)
        if was_blocked == _is_blocked(identity):
            return
        if not was_blocked:
            await SessionService(self._session).revoke_sign_ins(user.id)
        action = "identity.unblocked" if was_blocked else "identity.blocked"
        before, after = {"blocked": was_blocked}, {"blocked": not was_blocked}
        entry = Entry(action, None, "identity", identity.id, before=before, after=after, person_id=user.id)
        await record(self._session, entry)

    async def handle_event(self, event: ProviderEvent) -> None:
        """Apply an event of the issuer: each once, in any order.

        No account is created for a user whose email address is unverified or taken.
        """
        once = SingleUseRepository(self._session)
        if not await once.use(hash_token(f"event {self._provider} {event.id}"), until=utc_now() + RETENTION):
            return
        if event.kind is ProviderEventKind.SESSION_ENDED:
            await once.use(session_mark(event.profile.issuer, event.session_id), until=utc_now() + RETENTION)
            return
        with use_actor(SYSTEM):
            if event.kind is ProviderEventKind.DELETED:
                await self._handle_deleted(event.profile)
            elif await self.sync(event.profile) is None:
                await self._sign_in_reported(event.profile)

    async def _sign_in_reported(self, profile: Profile) -> None:
        """Sign in, unless the user is refused: the user gets this error at the next sign-in."""
        try:
            async with (await self._session.orm()).begin_nested():
                await self.sign_in(profile)
        except AppError as error:
            if error.status >= 500:
                raise

    async def _handle_deleted(self, profile: Profile) -> None:
        """Process the deletion of a user by the issuer: delete the account, unless another identity is linked to it."""
        identity = await self._identities.lock_by_subject(profile.issuer, profile.subject)
        if identity is None:
            tombstone = ExternalIdentity(
                provider=self._provider, issuer=profile.issuer, subject=profile.subject, known_at=profile.at
            )
            await self._identities.create(tombstone)
            return
        user_id = identity.user_id
        if user_id is None:
            return
        await self._users.lock_superadmins()
        await self._users.lock(user_id)
        cleared = {
            "user_id": None,
            "email": None,
            "email_verified": False,
            "pending_email": None,
            "known_at": profile.at,
        }
        await self._identities.update(identity, cleared)
        before = {"provider": identity.provider, "issuer": identity.issuer}
        await record(
            self._session, Entry("identity.deleted", None, "identity", identity.id, before=before, person_id=user_id)
        )
        await SessionService(self._session).revoke_sign_ins(user_id)
        if not await self._identities.count_by(user_id=user_id):
            await self._delete_account(user_id)

    async def _delete_account(self, user_id: UUID) -> None:
        """Delete the account. The account of a team's only owner or the last superadmin stays, but cannot sign in."""
        orphaned = await list_orphaned_teams(self._session, user_id)
        if not orphaned:
            try:
                await UserService(self._session).delete(user_id)
                return
            except LastSuperadmin:
                pass
        log.warning(
            "identity.account_retained",
            user_id=str(user_id),
            teams=[str(each) for each in orphaned],
            hint="No user can sign in to it. Give its teams or the platform another owner, then delete it.",
        )

    async def _find_or_create_user(self, profile: Profile) -> tuple[User, bool]:
        """Return a new account and True, or the account with this email address and False.

        Accounts are looked up only by a verified address.
        """
        if profile.is_blocked:
            raise AccountInactive
        if profile.email is None or not profile.email_verified:
            raise EmailUnverified
        try:
            await self._users.reserve_email(profile.email)
            if not load(IdentitySettings).is_external:  # an external service decides itself which users it accepts
                require_permanent_email(profile.email)
            sign_up = SignUp(
                email=profile.email,
                full_name=profile.full_name,
                method=SignUpMethod.IDENTITY_PROVIDER,
                issuer=profile.issuer,
            )
            return await UserService(self._session).sign_up(sign_up, None), True
        except EmailTaken:
            user = await self._users.get_by_email(profile.email)
        if user is None or not user.email_verified:
            raise IdentityConflict
        if not user.is_active:
            raise AccountInactive
        user = await self._users.lock(user.id)
        known = await self._identities.find_by_issuer(user.id, profile.issuer)
        if known is not None:
            raise EmailLinkedToOtherIdentity(known.subject)
        return user, False

    async def _change_email(self, identity: ExternalIdentity, user: User, email: str) -> None:
        """Change the user's email, or store it as pending if another account has it (see `PendingEmailService`)."""
        pending = None
        if email != user.email:
            try:
                await UserService(self._session).change_email(user.id, email)
            except EmailTaken:
                pending = email
        if pending != identity.pending_email:
            await self._identities.update(identity, {"pending_email": pending})
            if pending is not None:
                await retry_pending_email(self._session, identity.id)

    async def _record_use(self, identity: ExternalIdentity, profile: Profile) -> None:
        changes: dict[str, object] = {"last_used_at": utc_now()}
        if profile.email is not None and _is_newer(identity.known_at, profile.at):
            changes |= {"email": profile.email, "email_verified": profile.email_verified, "known_at": profile.at}
        await self._identities.update(identity, changes)


async def complete_link(session: Session, user_id: UUID, pending: dict[str, Any]) -> None:
    """Link the identity of a sign-in that has now passed all factors. Raises `IdentityTaken`."""
    profile = msgspec.convert(pending["profile"], Profile)
    await IdentityLinker(session, pending["provider"]).link(user_id, profile)


def _is_newer(known_at: datetime | None, at: datetime | None) -> bool:
    """Return whether `at` is not older than `known_at`. A missing time counts as newer."""
    return at is None or known_at is None or at >= known_at


def _is_blocked(identity: ExternalIdentity) -> bool:
    return identity.blocked_until is not None and identity.blocked_until > utc_now()
