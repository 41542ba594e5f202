"""Signing in with others, linking and unlinking."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from undercroft.core.audit import Actor, ActorKind, Entry, act_as, record
from undercroft.core.auth import Principal
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.db.repository import Slice
from undercroft.core.db.session import ReadSession
from undercroft.core.security.tokens import equal, hash_token, new_token
from undercroft.modules.auth import Client, FirstStep, SessionKind, Started, session_lives, start_session
from undercroft.modules.identities.errors import (
    AccountInactive,
    InvalidCode,
    LastWayIn,
    LinkingNeedsSession,
    SignInDenied,
)
from undercroft.modules.identities.flows import LIFE, Begun
from undercroft.modules.identities.models import ExchangeCode, ExternalIdentity
from undercroft.modules.identities.notices import Notice, tell
from undercroft.modules.identities.people import People
from undercroft.modules.identities.repository import (
    IdentityRepository,
    OnceRepository,
    OwnIdentityRepository,
    own_identities,
)
from undercroft.modules.users import User, UserRepository
from undercroft.providers.identity import Profile, SocialProvider, SocialSignInFailed

CODE_LIFE = timedelta(seconds=60)


async def finish(database: Database, provider: SocialProvider, begun: Begun, answer: Mapping[str, str]) -> Profile:
    """Who came back, once. Raises `SocialSignInFailed`, `SignInDenied`, `IdentityProviderUnavailable`.

    The state is spent before anybody is asked, so of two callbacks at once one goes on.
    """
    async with database.session() as session:
        if not await OnceRepository(session).use(begun.mark, until=utc_now() + LIFE):
            raise SocialSignInFailed
    if "error" in answer:
        raise SignInDenied
    if not answer.get("code"):
        raise SocialSignInFailed
    return await provider.profile(begun.flow, answer)


async def sign_in(session: Session, provider: str, profile: Profile, client: Client) -> Started:
    """Begin a browser's session. Raises what `People.identify` raises, and `MfaRequired`."""
    user, first_step = await People(session, provider).identify(profile)
    return await start_session(session, user, client, SessionKind.COOKIE, first_step=first_step)


async def give_code(session: Session, provider: str, profile: Profile, challenge: str) -> str:
    """A code that an app exchanges within a minute. Raises what `People.identify` raises."""
    user, first_step = await People(session, provider).identify(profile)
    code, expires_at = new_token(), utc_now() + CODE_LIFE
    session.add(
        ExchangeCode(
            code_hash=hash_token(code),
            user_id=user.id,
            challenge=challenge,
            first_step=first_step.stored(),
            expires_at=expires_at,
        )
    )
    return code


async def exchange(session: Session, code: str, verifier: str, client: Client) -> tuple[User, Started]:
    """Begin the session that a code stands for. Raises `InvalidCode`, `AccountInactive`, `MfaRequired`.

    A code that comes with a wrong verifier is spent all the same.
    """
    taken = await OnceRepository(session).take_code(hash_token(code))
    if taken is None or not equal(taken.challenge, challenge_of(verifier)):
        raise InvalidCode
    user = await UserRepository(session).find(taken.user_id)
    if user is None or not user.is_active:
        raise AccountInactive
    first_step = FirstStep.of(taken.first_step)
    return user, await start_session(session, user, client, SessionKind.BEARER, first_step=first_step)


async def link(session: Session, begun: Begun, profile: Profile) -> None:
    """Link another identity to the account of who began this, as long as they are signed in.

    Raises `IdentityTaken`, `LinkingNeedsSession`.
    """
    user_id, session_id = begun.user_id, begun.session_id
    if user_id is None or session_id is None or not await session_lives(session, session_id, user_id):
        raise LinkingNeedsSession
    act_as(Actor(ActorKind.USER, user_id=user_id, session_id=session_id))
    await People(session, begun.provider).link(user_id, profile)


async def list_identities(
    session: ReadSession, principal: Principal, *, page: int, size: int
) -> Slice[ExternalIdentity]:
    """One's own identities, the latest linked first."""
    return await OwnIdentityRepository(session, principal.user_id).list(page=page, size=size)


async def unlink(session: Session, principal: Principal, identity_id: UUID) -> None:
    """Raises `IdentityNotFound`, and `LastWayIn` unless there is a password or another identity to sign in with."""
    user = await UserRepository(session).lock(principal.user_id)
    identity = await OwnIdentityRepository(session, user.id).get(identity_id)
    if user.password_hash is None and len(await own_identities(session, user.id)) == 1:
        raise LastWayIn
    before = {"provider": identity.provider, "issuer": identity.issuer}
    await IdentityRepository(session).delete(identity)
    await record(session, Entry("identity.unlinked", user.id, "identity", identity_id, before=before))
    await tell(session, user.id, Notice.IDENTITY_UNLINKED, identity.provider)


def challenge_of(verifier: str) -> str:
    """PKCE's S256 challenge (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
