"""Sign-in with identity providers, linking and unlinking of identities."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from undercroft.core.audit import Actor, ActorKind, Entry, record, set_current_actor
from undercroft.core.auth import Principal
from undercroft.core.db import Database, Paging, ReadSession, RowPage, utc_now
from undercroft.core.security.tokens import constant_time_compare, encode_base64url, hash_token, new_token
from undercroft.modules.identities.errors import (
    AccountInactive,
    InvalidExchangeCode,
    LastSignInMethod,
    LinkingNeedsSession,
    SignInDenied,
)
from undercroft.modules.identities.models import ExchangeCode, ExternalIdentity
from undercroft.modules.identities.repository import IdentityRepository, SingleUseRepository, UserIdentityRepository
from undercroft.modules.identities.service.flows import FLOW_LIFETIME, OAuthFlowState
from undercroft.modules.identities.service.linker import IdentityLinker
from undercroft.modules.sessions import (
    Client,
    FirstFactor,
    SessionKind,
    SessionRepository,
    SessionService,
    StartedSession,
)
from undercroft.modules.users import User, UserRepository, notify
from undercroft.providers.identity import Profile, SocialProvider, SocialSignInFailed, get_provider_label

CODE_LIFETIME = timedelta(seconds=60)


class IdentityService:
    """Signs in with identities, links and unlinks them. Pass a `ReadSession` to list them only."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def sign_in(self, provider: str, profile: Profile, client: Client) -> StartedSession:
        """Start a cookie session. Raises what `IdentityLinker.identify` raises, and `MfaRequired`."""
        user, first_factor = await IdentityLinker(self._session.writable, provider).identify(profile)
        return await SessionService(self._session).start(user, client, SessionKind.COOKIE, first_factor=first_factor)

    async def create_exchange_code(self, provider: str, profile: Profile, challenge: str) -> str:
        """Create a code that an app can exchange for one minute. Raises what `IdentityLinker.identify` raises."""
        user, first_factor = await IdentityLinker(self._session.writable, provider).identify(profile)
        code, expires_at = new_token(), utc_now() + CODE_LIFETIME
        self._session.writable.add(
            ExchangeCode(
                code_hash=hash_token(code),
                user_id=user.id,
                challenge=challenge,
                first_factor=first_factor.to_json(),
                expires_at=expires_at,
            )
        )
        return code

    async def exchange(self, code: str, verifier: str, client: Client) -> tuple[User, StartedSession]:
        """Exchange a one-time code for a session.

        The code is used even if the verifier is wrong. Raises `InvalidExchangeCode`, `AccountInactive`, `MfaRequired`.
        """
        exchange_code = await SingleUseRepository(self._session).consume_code(hash_token(code))
        if exchange_code is None or not constant_time_compare(
            exchange_code.challenge, compute_code_challenge(verifier)
        ):
            raise InvalidExchangeCode
        user = await UserRepository(self._session).find(exchange_code.user_id)
        if user is None or not user.is_active:
            raise AccountInactive
        first_factor = FirstFactor.from_json(exchange_code.first_factor)
        return user, await SessionService(self._session).start(
            user, client, SessionKind.BEARER, first_factor=first_factor
        )

    async def link(self, flow_state: OAuthFlowState, profile: Profile) -> None:
        """Link an identity to the account of the user who started the flow, if the user's session is still active.

        Raises `IdentityTaken`, `LinkingNeedsSession`.
        """
        user_id, session_id = flow_state.user_id, flow_state.session_id
        if (
            user_id is None
            or session_id is None
            or not await SessionRepository(self._session).lock_active(session_id, user_id)
        ):
            raise LinkingNeedsSession
        set_current_actor(Actor(ActorKind.USER, user_id=user_id, session_id=session_id))
        await IdentityLinker(self._session.writable, flow_state.provider).link(user_id, profile)

    async def list(self, principal: Principal, paging: Paging) -> RowPage[ExternalIdentity]:
        return await UserIdentityRepository(self._session, principal.user_id).list(paging)

    async def unlink(self, principal: Principal, identity_id: UUID) -> None:
        """Unlink an identity of the current user, and end the other sessions and exchange codes that it started.

        An attacker who took over the identity then has no access left. Raises `IdentityNotFound`, and
        `LastSignInMethod` if the account has no password and no other identity.
        """
        user = await UserRepository(self._session).lock(principal.user_id)
        identity = await UserIdentityRepository(self._session, user.id).get(identity_id)
        if user.password_hash is None and await UserIdentityRepository(self._session, user.id).count() == 1:
            raise LastSignInMethod
        before = {"provider": identity.provider, "issuer": identity.issuer}
        await IdentityRepository(self._session).delete(identity)
        await SingleUseRepository(self._session).revoke_codes(user.id)
        revoked = await SessionRepository(self._session).revoke_by_issuer(
            user.id, identity.issuer, except_session_id=principal.session_id_or_none
        )
        details = {"sessions_revoked": revoked}
        entry = Entry("identity.unlinked", user.id, "identity", identity_id, before=before, details=details)
        await record(self._session.writable, entry)
        provider = get_provider_label(identity.provider)
        await notify(self._session.writable, user.id, "identities/identity_unlinked", provider=provider)


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


def compute_code_challenge(verifier: str) -> str:
    """Return the PKCE S256 challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
    return encode_base64url(digest)
