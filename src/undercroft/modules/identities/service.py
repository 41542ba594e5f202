"""Sign-in with identity providers, linking and unlinking of identities."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from undercroft.core.audit import Actor, ActorKind, Entry, record, set_current_actor
from undercroft.core.auth import Principal
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.db.repository import OffsetPage
from undercroft.core.db.session import ReadSession
from undercroft.core.security.tokens import constant_time_compare, hash_token, new_token
from undercroft.modules.auth import Client, FirstFactor, SessionKind, StartedSession, lock_active_session, start_session
from undercroft.modules.identities.errors import (
    AccountInactive,
    InvalidExchangeCode,
    LastSignInMethod,
    LinkingNeedsSession,
    SignInDenied,
)
from undercroft.modules.identities.flows import FLOW_LIFETIME, OAuthFlowState
from undercroft.modules.identities.linker import IdentityLinker
from undercroft.modules.identities.models import ExchangeCode, ExternalIdentity
from undercroft.modules.identities.notifications import IdentityNotification, notify
from undercroft.modules.identities.repository import (
    IdentityRepository,
    SingleUseRepository,
    UserIdentityRepository,
    list_user_identities,
)
from undercroft.modules.users import User, UserRepository
from undercroft.providers.identity import Profile, SocialProvider, SocialSignInFailed

CODE_LIFETIME = timedelta(seconds=60)


async def handle_callback(
    database: Database, provider: SocialProvider, flow_state: OAuthFlowState, response: Mapping[str, str]
) -> Profile:
    """Process a provider's callback and return the profile.

    The state is marked as used before the provider is called, so that only one of two concurrent callbacks succeeds.
    Raises `SocialSignInFailed`, `SignInDenied`, `IdentityProviderUnavailable`.
    """
    async with database.session() as session:
        if not await SingleUseRepository(session).use(flow_state.mark, until=utc_now() + FLOW_LIFETIME):
            raise SocialSignInFailed
    if "error" in response:
        raise SignInDenied
    if not response.get("code"):
        raise SocialSignInFailed
    return await provider.profile(flow_state.flow, response)


async def sign_in(session: Session, provider: str, profile: Profile, client: Client) -> StartedSession:
    """Start a cookie session. Raises what `IdentityLinker.identify` raises, and `MfaRequired`."""
    user, first_factor = await IdentityLinker(session, provider).identify(profile)
    return await start_session(session, user, client, SessionKind.COOKIE, first_factor=first_factor)


async def create_exchange_code(session: Session, provider: str, profile: Profile, challenge: str) -> str:
    """Create a code that an app can exchange for one minute. Raises what `IdentityLinker.identify` raises."""
    user, first_factor = await IdentityLinker(session, provider).identify(profile)
    code, expires_at = new_token(), utc_now() + CODE_LIFETIME
    session.add(
        ExchangeCode(
            code_hash=hash_token(code),
            user_id=user.id,
            challenge=challenge,
            first_step=first_factor.to_json(),
            expires_at=expires_at,
        )
    )
    return code


async def exchange(session: Session, code: str, verifier: str, client: Client) -> tuple[User, StartedSession]:
    """Exchange a one-time code for a session.

    The code is used even if the verifier is wrong. Raises `InvalidExchangeCode`, `AccountInactive`, `MfaRequired`.
    """
    exchange_code = await SingleUseRepository(session).consume_code(hash_token(code))
    if exchange_code is None or not constant_time_compare(exchange_code.challenge, compute_code_challenge(verifier)):
        raise InvalidExchangeCode
    user = await UserRepository(session).find(exchange_code.user_id)
    if user is None or not user.is_active:
        raise AccountInactive
    first_factor = FirstFactor.from_json(exchange_code.first_step)
    return user, await start_session(session, user, client, SessionKind.BEARER, first_factor=first_factor)


async def link(session: Session, flow_state: OAuthFlowState, profile: Profile) -> None:
    """Link an identity to the account of the user who started the flow, if the user's session is still active.

    Raises `IdentityTaken`, `LinkingNeedsSession`.
    """
    user_id, session_id = flow_state.user_id, flow_state.session_id
    if user_id is None or session_id is None or not await lock_active_session(session, session_id, user_id):
        raise LinkingNeedsSession
    set_current_actor(Actor(ActorKind.USER, user_id=user_id, session_id=session_id))
    await IdentityLinker(session, flow_state.provider).link(user_id, profile)


async def list_identities(
    session: ReadSession, principal: Principal, *, page: int, size: int
) -> OffsetPage[ExternalIdentity]:
    """Return one page of the current user's identities, most recently linked first."""
    return await UserIdentityRepository(session, principal.user_id).list(page=page, size=size)


async def unlink(session: Session, principal: Principal, identity_id: UUID) -> None:
    """Unlink an identity of the current user.

    Raises `IdentityNotFound`, and `LastSignInMethod` if the account has no password and no other identity.
    """
    user = await UserRepository(session).lock(principal.user_id)
    identity = await UserIdentityRepository(session, user.id).get(identity_id)
    if user.password_hash is None and len(await list_user_identities(session, user.id)) == 1:
        raise LastSignInMethod
    before = {"provider": identity.provider, "issuer": identity.issuer}
    await IdentityRepository(session).delete(identity)
    await record(session, Entry("identity.unlinked", user.id, "identity", identity_id, before=before))
    await notify(session, user.id, IdentityNotification.IDENTITY_UNLINKED, identity.provider)


def compute_code_challenge(verifier: str) -> str:
    """Return the PKCE S256 challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
