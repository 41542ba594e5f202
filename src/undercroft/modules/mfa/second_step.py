"""The second step of signing in.

Between the steps somebody holds a token: random, kept as its hash, good for five minutes, for five wrong tries and for
nothing but this. It is void when the password changes. Every try is counted by the throttle of sign-ins before it is
looked at, and what was counted is forgotten only by a right one.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Any

from undercroft.core.audit import Entry, record
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.ids import new_id
from undercroft.core.security.tokens import equal, hash_token, new_token
from undercroft.modules.auth import Client, FirstStep, Identity, MfaRequired, SessionKind, Started, start_session
from undercroft.modules.mfa import ceremonies
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey, MfaTokenInvalid
from undercroft.modules.mfa.models import HalfwaySignIn, Purpose
from undercroft.modules.mfa.notices import Notice, tell
from undercroft.modules.mfa.proofs import fits, passkey_fits
from undercroft.modules.mfa.repository import HalfwayReads, HalfwayRepository, PasskeyRepository, owner_of_credential
from undercroft.modules.mfa.schemas import Assertion, Proof
from undercroft.modules.users import User, UserNotFound, UserRepository

TOKEN_LIFE = timedelta(minutes=5)
TRIES = 5


class HalfwaySignIns:
    """Asks for the second step; bound to signing in when the process starts."""

    async def ask(
        self, session: Session, user: User, client: Client, kind: SessionKind, first_step: FirstStep
    ) -> MfaRequired:
        token = new_token()
        halfway = HalfwaySignIn(
            id=new_id(),
            token_hash=hash_token(token),
            user_id=user.id,
            kind=kind,
            password_mark=_mark(user),
            first_step=first_step.stored(),
            expires_at=utc_now() + TOKEN_LIFE,
        )
        session.add(halfway)
        await record(session, Entry("mfa.asked", user.id, "user", user.id, details={"ip": client.ip}))
        methods = [*user.second_factors, "recovery_code"]
        expires_in = int(TOKEN_LIFE.total_seconds())
        return MfaRequired(details={"mfa_token": token, "methods": methods, "expires_in": expires_in})


class SecondStep:
    """Takes a token and a second factor, or a passkey that is both steps at once."""

    def __init__(self, identity: Identity, client: Client) -> None:
        self._identity = identity
        self._client = client

    async def factors(self, token: str) -> list[str]:
        """The kinds of factor that this sign-in can go on with. Raises `MfaTokenInvalid`."""
        async with self._identity.database.reading() as reading:
            _, user = await _halfway(reading, token)
            return user.second_factors

    async def options(self, token: str) -> dict[str, Any]:
        """What a browser needs to sign with one of the passkeys. Raises `MfaTokenInvalid`."""
        async with self._identity.database.session() as session:
            halfway, user = await _halfway(session, token)
            known = list(await PasskeyRepository(session, user.id).all())
            return await ceremonies.options_to_sign(session, Purpose.SECOND_STEP, halfway.id, known)

    async def verify(
        self, token: str, proof: Proof, *, only: SessionKind | None = None
    ) -> tuple[User, Started, SessionKind]:
        """Begin the session that was asked for, `only` of this kind if one is named.

        Raises `MfaTokenInvalid`, `InvalidCode`, `TooManyAttempts`.
        """
        async with self._identity.database.reading() as reading:
            halfway, user = await _halfway(reading, token)
        if only not in (None, halfway.kind):
            raise MfaTokenInvalid
        attempt = await self._identity.throttle.begin(user.email, self._client, factor=proof.given[0])
        async with self._identity.database.session() as session:
            user = await UserRepository(session).lock(user.id)
            halfway, user = await _halfway(session, token)
            if not await fits(session, user, proof, Purpose.SECOND_STEP, halfway.id):
                await self._count(session, halfway, user, proof)
                raise InvalidCode
            if not await HalfwayRepository(session).take(halfway):
                raise MfaTokenInvalid
            await self._identity.throttle.succeed(session, attempt)
            kind, first_step = SessionKind(halfway.kind), FirstStep.of(halfway.first_step)
            started = await start_session(session, user, self._client, kind, passed_mfa=True, first_step=first_step)
            return user, started, kind

    async def passkey_options(self) -> dict[str, Any]:
        """What a browser needs to sign with a passkey of whoever sits in front of it."""
        async with self._identity.database.session() as session:
            return await ceremonies.options_to_sign(session, Purpose.SIGN_IN, None, [], verified=True)

    async def by_passkey(self, assertion: Assertion, kind: SessionKind) -> tuple[User, Started]:
        """Begin a session of the passkey's owner, whom the authenticator has verified. Raises `InvalidPasskey`."""
        async with self._identity.database.session() as session:
            user = await _owner(session, assertion)
            passkey = None
            if user is not None:
                passkey = await PasskeyRepository(session, user.id).of_credential(ceremonies.credential_id(assertion))
            if not await passkey_fits(session, passkey, assertion, Purpose.SIGN_IN, None, verified=True) or not user:
                details = {"ip": self._client.ip, "way": "passkey"}
                await record(session, Entry("sign_in.failed", None, "user", user.id if user else None, details=details))
                raise InvalidPasskey
            return user, await start_session(session, user, self._client, kind, passed_mfa=True)

    async def _count(self, session: Session, halfway: HalfwaySignIn, user: User, proof: Proof) -> None:
        details = {"ip": self._client.ip, "way": proof.given[0]}
        await record(session, Entry("mfa.failed", None, "user", user.id, details=details))
        if await HalfwayRepository(session).fail(halfway, tries=TRIES):
            await tell(session, user.id, Notice.MFA_FAILED, ip=self._client.ip)


async def _halfway(session: ReadSession, token: str) -> tuple[HalfwaySignIn, User]:
    """The sign-in that this token is of, and whose it is. Raises `MfaTokenInvalid`."""
    halfway = await HalfwayReads(session).by_token(hash_token(token))
    user = await UserRepository(session).find(halfway.user_id) if halfway else None
    if halfway is None or user is None or not user.is_active or not equal(halfway.password_mark, _mark(user)):
        raise MfaTokenInvalid
    return halfway, user


async def _owner(session: Session, assertion: Assertion) -> User | None:
    """Whose passkey this is, held, if they may come in."""
    try:
        user_id = await owner_of_credential(session, ceremonies.credential_id(assertion))
        user = await UserRepository(session).lock(user_id) if user_id else None
    except (ceremonies.Unfit, UserNotFound):
        return None
    return user if user is not None and user.is_active else None


def _mark(user: User) -> bytes:
    """Tells whether the password is still the one that the first step was done with."""
    return sha256((user.password_hash or "").encode()).digest()
