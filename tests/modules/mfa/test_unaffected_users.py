"""Changes of one user's second factors do not affect those of other users."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from httpx2 import AsyncClient
from sqlalchemy import func, select, update
from sqlmodel import col

from tests.modules.auth.users import PASSWORD, Mailbox, RegisteredUser, create_registered_user, error_code, post
from tests.modules.mfa.conftest import Clock, MfaUser, add_passkey, enable_totp
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database, utc_now
from undercroft.core.ids import new_id
from undercroft.modules.mfa.models import Challenge, ChallengePurpose, Passkey, PendingSignIn, RecoveryCode, Totp
from undercroft.modules.mfa.repository import ChallengeRepository, TotpRepository, delete_expired
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]


@pytest_asyncio.fixture(loop_scope="session")
async def bystander(http: AsyncClient, mailbox: Mailbox, clock: Clock) -> tuple[MfaUser, Authenticator]:
    """Bea, with an app and a passkey."""
    mfa_user, key = await enable_totp(await create_registered_user(http, mailbox), clock), Authenticator(PUBLIC_URL)
    assert (await add_passkey(mfa_user.user, key)).status_code == 201
    return mfa_user, key


async def user_id_of(user: RegisteredUser) -> str:
    return str((await user.get("/app/users/me")).json()["id"])


async def remove_app(mfa_user: MfaUser, _root: AsyncClient) -> None:
    assert (await mfa_user.user.send("DELETE", "/auth/mfa/totp")).status_code == 204


async def replace_app(mfa_user: MfaUser, _root: AsyncClient) -> None:
    await enable_totp(mfa_user.user, mfa_user.app.clock)


async def renew_codes(mfa_user: MfaUser, _root: AsyncClient) -> None:
    assert (await mfa_user.user.send("POST", "/auth/mfa/recovery-codes")).status_code == 200


async def reset(mfa_user: MfaUser, root: AsyncClient) -> None:
    path = f"/api/v1/admin/users/{await user_id_of(mfa_user.user)}/mfa/reset"
    assert (await root.post(path)).status_code == 204


async def delete_account(mfa_user: MfaUser, _root: AsyncClient) -> None:
    body = {"current_password": PASSWORD}
    assert (await mfa_user.user.send("DELETE", "/app/users/me", body)).status_code == 204


async def fail_too_often(mfa_user: MfaUser, _root: AsyncClient) -> None:
    token = await mfa_user.token()
    for _ in range(5):
        assert error_code(await mfa_user.verify(token, code=mfa_user.app.wrong())) == "INVALID_CODE"


@pytest.mark.parametrize(
    "act", [remove_app, replace_app, renew_codes, reset, delete_account, fail_too_often], ids=lambda act: act.__name__
)
async def test_change_by_one_user_keeps_the_factors_of_another(
    mfa_user: MfaUser, bystander: tuple[MfaUser, Authenticator], create_user: CreateUser, act: Any
) -> None:
    passkey_user, key = bystander
    root = await create_user(role=PlatformRole.SUPERADMIN)
    pending = await passkey_user.token()

    await act(mfa_user, root.client)

    own = (await passkey_user.user.get("/auth/mfa")).json()
    assert (own["totp"], len(own["passkeys"]), own["recovery_codes_left"]) == (True, 1, 10)
    passkey_user.app.clock.next_step()
    assert (await passkey_user.verify(pending, code=passkey_user.app.code())).status_code == 200
    assert (
        await passkey_user.verify(await passkey_user.token(), recovery_code=passkey_user.recovery_codes[0])
    ).status_code == 200
    options = (await post(passkey_user.user.http, "/passkeys/sign-in/options", {})).json()["options"]
    assert (await post(passkey_user.user.http, "/passkeys/sign-in", {"passkey": key.sign(options)})).status_code == 200


async def test_failures_count_only_for_their_sign_in(
    mfa_user: MfaUser, bystander: tuple[MfaUser, Authenticator]
) -> None:
    other, _ = bystander
    pending = await other.token()
    await fail_too_often(mfa_user, other.user.http)
    assert error_code(await other.verify(pending, code=other.app.wrong())) == "INVALID_CODE"
    other.app.clock.next_step()
    assert (await other.verify(pending, code=other.app.code())).status_code == 200


async def test_challenge_is_used_once_for_its_purpose_and_subject(database: Database) -> None:
    subject, lifetime, purpose = new_id(), timedelta(minutes=1), ChallengePurpose.REGISTER
    async with database.session() as session:
        challenges = ChallengeRepository(session)
        for number, valid_for in enumerate((lifetime, lifetime, -lifetime)):
            expires_at = utc_now() + valid_for
            await challenges.create(
                Challenge(challenge_hash=bytes([number]), purpose=purpose, subject_id=subject, expires_at=expires_at)
            )
        uses = [
            (bytes([0]), ChallengePurpose.SIGN_IN, subject),
            (bytes([0]), ChallengePurpose.REGISTER, new_id()),
            (bytes([0]), ChallengePurpose.REGISTER, None),
            (bytes([2]), ChallengePurpose.REGISTER, subject),
            (bytes([0]), ChallengePurpose.REGISTER, subject),
            (bytes([0]), ChallengePurpose.REGISTER, subject),
            (bytes([1]), ChallengePurpose.REGISTER, subject),
        ]
        used = [await challenges.use(*each) for each in uses]
    assert used == [False, False, False, False, True, False, True]


async def test_account_deletion_removes_only_its_own_factors(
    mfa_user: MfaUser, bystander: tuple[MfaUser, Authenticator], database: Database
) -> None:
    assert (await add_passkey(mfa_user.user, Authenticator(PUBLIC_URL))).status_code == 201
    await mfa_user.token()
    user_id = await user_id_of(mfa_user.user)
    await delete_account(mfa_user, mfa_user.user.http)
    other = await user_id_of(bystander[0].user)
    async with database.read_session() as session:
        for model in (Totp, Passkey, RecoveryCode, PendingSignIn):
            owners = {str(each) for each in (await session.scalars(select(col(model.user_id)))).all()}
            assert user_id not in owners, model
            assert owners <= {other}, model
        assert await session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


async def test_recovery_code_is_refused_for_another_user(
    mfa_user: MfaUser, bystander: tuple[MfaUser, Authenticator]
) -> None:
    passkey_user, _ = bystander
    refused = await passkey_user.verify(await passkey_user.token(), recovery_code=mfa_user.recovery_codes[0])
    assert (refused.status_code, error_code(refused)) == (401, "INVALID_CODE")
    assert (await mfa_user.verify(await mfa_user.token(), recovery_code=mfa_user.recovery_codes[0])).status_code == 200
    left = [(await each.user.get("/auth/mfa")).json()["recovery_codes_left"] for each in (mfa_user, passkey_user)]
    assert left == [9, 10]


async def test_passkey_of_another_user_is_not_found(
    mfa_user: MfaUser, bystander: tuple[MfaUser, Authenticator]
) -> None:
    passkey_user, _ = bystander
    passkey = (await passkey_user.user.get("/auth/passkeys")).json()["items"][0]
    for method, body in (("PATCH", {"name": "Mine"}), ("DELETE", None)):
        refused = await mfa_user.user.send(method, f"/auth/passkeys/{passkey['id']}", body)
        assert (refused.status_code, error_code(refused)) == (404, "PASSKEY_NOT_FOUND")
    assert (await passkey_user.user.get("/auth/passkeys")).json()["items"] == [passkey]
    assert (await mfa_user.user.get("/auth/passkeys")).json()["total"] == 0


async def test_passkeys_are_listed_page_by_page(ada: RegisteredUser, bystander: tuple[MfaUser, Authenticator]) -> None:
    for name in ("First", "Second", "Third"):
        assert (await add_passkey(ada, Authenticator(PUBLIC_URL), name)).status_code == 201
    pages = [(await ada.get(f"/auth/passkeys?page={page}&size=2")).json() for page in (1, 2, 3)]
    assert [[each["name"] for each in page["items"]] for page in pages] == [["First", "Second"], ["Third"], []]
    assert [page["total"] for page in pages] == [3, 3, 3]


async def test_use_of_one_passkey_does_not_change_another(ada: RegisteredUser, http: AsyncClient) -> None:
    keys = [Authenticator(PUBLIC_URL) for _ in range(2)]
    for key in keys:
        assert (await add_passkey(ada, key)).status_code == 201
    options = (await post(http, "/passkeys/sign-in/options", {})).json()["options"]
    assert (await post(http, "/passkeys/sign-in", {"passkey": keys[0].sign(options)})).status_code == 200
    used = [each["last_used_at"] for each in (await ada.get("/auth/passkeys")).json()["items"]]
    assert used[0] is not None
    assert used[1] is None


async def test_clean_up_removes_only_expired_rows(mfa_user: MfaUser, database: Database) -> None:
    tokens = [await mfa_user.token() for _ in range(2)]
    now = utc_now()
    async with database.session() as session:
        for number, left in enumerate((timedelta(seconds=-1), timedelta(seconds=60))):
            session.add(
                Challenge(
                    challenge_hash=bytes([number]),
                    purpose=ChallengePurpose.SIGN_IN,
                    subject_id=None,
                    expires_at=now + left,
                )
            )
        oldest = select(col(PendingSignIn.id)).order_by(col(PendingSignIn.created_at)).limit(1).scalar_subquery()
        expired = update(PendingSignIn).where(col(PendingSignIn.id) == oldest)
        await session.execute(expired.values(expires_at=now - timedelta(seconds=1)))
    async with database.session() as session:
        assert await delete_expired(session, now) == 2
        assert [each.challenge_hash for each in (await session.scalars(select(Challenge))).all()] == [b"\x01"]
    responses = [await mfa_user.verify(token, code=mfa_user.app.code()) for token in tokens]
    assert [response.status_code for response in responses] == [401, 200]
    assert error_code(responses[0]) == "MFA_TOKEN_INVALID"


async def test_pending_app_is_confirmed_only_with_the_secret_that_was_confirmed(
    mfa_user: MfaUser, bystander: tuple[MfaUser, Authenticator], database: Database
) -> None:
    """Of two concurrent setups, the code of the first does not confirm the second."""
    user_id = await user_id_of(mfa_user.user)
    async with database.session() as session:
        totps = TotpRepository(session)
        await totps.begin(user_id, b"second")
        assert not await totps.confirm(user_id, b"first", 7)
        assert await totps.confirm(user_id, b"second", 7)
        assert not await totps.use(user_id, 7)
        assert not await totps.use(user_id, 6)
        assert await totps.use(user_id, 8)
    passkey_user, _ = bystander
    passkey_user.app.clock.next_step()
    assert (await passkey_user.verify(await passkey_user.token(), code=passkey_user.app.code())).status_code == 200
