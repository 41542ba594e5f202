"""What changes the second factors of one user leaves those of every other user alone."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from httpx import AsyncClient
from sqlalchemy import func, select, update
from sqlmodel import col

from tests.modules.auth.people import PASSWORD, Mailbox, Person, a_person, code_of, post
from tests.modules.mfa.conftest import Clock, Guarded, add_passkey, turn_on
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database, utc_now
from undercroft.modules.mfa.models import Challenge, HalfwaySignIn, Passkey, Purpose, RecoveryCode, Totp
from undercroft.modules.mfa.repository import TotpRepository, forget_expired
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.people import Person as SignedIn

SignIn = Callable[..., Awaitable[SignedIn]]


@pytest_asyncio.fixture(loop_scope="session")
async def bystander(http: AsyncClient, mailbox: Mailbox, clock: Clock) -> tuple[Guarded, Authenticator]:
    """Bea, with an app and a passkey."""
    guarded, key = await turn_on(await a_person(http, mailbox), clock), Authenticator(PUBLIC_URL)
    assert (await add_passkey(guarded.person, key)).status_code == 201
    return guarded, key


async def user_id_of(person: Person) -> str:
    return str((await person.get("/app/users/me")).json()["id"])


async def remove_app(guarded: Guarded, _root: AsyncClient) -> None:
    assert (await guarded.person.send("DELETE", "/auth/mfa/totp")).status_code == 204


async def replace_app(guarded: Guarded, _root: AsyncClient) -> None:
    await turn_on(guarded.person, guarded.app.clock)


async def renew_codes(guarded: Guarded, _root: AsyncClient) -> None:
    assert (await guarded.person.send("POST", "/auth/mfa/recovery-codes")).status_code == 200


async def reset(guarded: Guarded, root: AsyncClient) -> None:
    path = f"/api/v1/admin/users/{await user_id_of(guarded.person)}/mfa/reset"
    assert (await root.post(path)).status_code == 204


async def delete_account(guarded: Guarded, _root: AsyncClient) -> None:
    body = {"current_password": PASSWORD}
    assert (await guarded.person.send("DELETE", "/app/users/me", body)).status_code == 204


async def fail_too_often(guarded: Guarded, _root: AsyncClient) -> None:
    token = await guarded.token()
    for _ in range(5):
        assert code_of(await guarded.verify(token, code=guarded.app.wrong())) == "INVALID_CODE"


@pytest.mark.parametrize(
    "act", [remove_app, replace_app, renew_codes, reset, delete_account, fail_too_often], ids=lambda act: act.__name__
)
async def test_change_of_one_user_leaves_the_factors_of_another(
    guarded: Guarded, bystander: tuple[Guarded, Authenticator], somebody: SignIn, act: Any
) -> None:
    bea, key = bystander
    root = await somebody(role=PlatformRole.SUPERADMIN)
    pending = await bea.token()

    await act(guarded, root.client)

    own = (await bea.person.get("/auth/mfa")).json()
    assert (own["totp"], len(own["passkeys"]), own["recovery_codes_left"]) == (True, 1, 10)
    bea.app.clock.next_step()
    assert (await bea.verify(pending, code=bea.app.code())).status_code == 200
    assert (await bea.verify(await bea.token(), recovery_code=bea.recovery_codes[0])).status_code == 200
    begun = (await post(bea.person.http, "/passkeys/sign-in/options", {})).json()["options"]
    assert (await post(bea.person.http, "/passkeys/sign-in", {"passkey": key.sign(begun)})).status_code == 200


async def test_deleted_account_leaves_no_factor_but_those_of_others(
    guarded: Guarded, bystander: tuple[Guarded, Authenticator], database: Database
) -> None:
    assert (await add_passkey(guarded.person, Authenticator(PUBLIC_URL))).status_code == 201
    await guarded.token()
    user_id = await user_id_of(guarded.person)
    await delete_account(guarded, guarded.person.http)
    other = await user_id_of(bystander[0].person)
    async with database.reading() as session:
        for model in (Totp, Passkey, RecoveryCode, HalfwaySignIn):
            owners = {str(each) for each in (await session.scalars(select(col(model.user_id)))).all()}
            assert user_id not in owners, model
            assert owners <= {other}, model
        assert await session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


async def test_own_recovery_code_is_of_no_use_to_another_user(
    guarded: Guarded, bystander: tuple[Guarded, Authenticator]
) -> None:
    bea, _ = bystander
    refused = await bea.verify(await bea.token(), recovery_code=guarded.recovery_codes[0])
    assert (refused.status_code, code_of(refused)) == (401, "INVALID_CODE")
    assert (await guarded.verify(await guarded.token(), recovery_code=guarded.recovery_codes[0])).status_code == 200
    left = [(await each.person.get("/auth/mfa")).json()["recovery_codes_left"] for each in (guarded, bea)]
    assert left == [9, 10]


async def test_passkey_of_another_user_is_not_found(guarded: Guarded, bystander: tuple[Guarded, Authenticator]) -> None:
    bea, _ = bystander
    passkey = (await bea.person.get("/auth/passkeys")).json()["items"][0]
    for method, body in (("PATCH", {"name": "Mine"}), ("DELETE", None)):
        refused = await guarded.person.send(method, f"/auth/passkeys/{passkey['id']}", body)
        assert (refused.status_code, code_of(refused)) == (404, "PASSKEY_NOT_FOUND")
    assert (await bea.person.get("/auth/passkeys")).json()["items"] == [passkey]
    assert (await guarded.person.get("/auth/passkeys")).json()["total"] == 0


async def test_passkeys_are_listed_page_by_page(ada: Person, bystander: tuple[Guarded, Authenticator]) -> None:
    for name in ("First", "Second", "Third"):
        assert (await add_passkey(ada, Authenticator(PUBLIC_URL), name)).status_code == 201
    pages = [(await ada.get(f"/auth/passkeys?page={page}&size=2")).json() for page in (1, 2, 3)]
    assert [[each["name"] for each in page["items"]] for page in pages] == [["First", "Second"], ["Third"], []]
    assert [page["total"] for page in pages] == [3, 3, 3]


async def test_use_of_one_passkey_is_not_noted_at_another(ada: Person, http: AsyncClient) -> None:
    keys = [Authenticator(PUBLIC_URL) for _ in range(2)]
    for key in keys:
        assert (await add_passkey(ada, key)).status_code == 201
    begun = (await post(http, "/passkeys/sign-in/options", {})).json()["options"]
    assert (await post(http, "/passkeys/sign-in", {"passkey": keys[0].sign(begun)})).status_code == 200
    used = [each["last_used_at"] for each in (await ada.get("/auth/passkeys")).json()["items"]]
    assert used[0] is not None
    assert used[1] is None


async def test_clean_up_removes_what_expired_and_nothing_else(guarded: Guarded, database: Database) -> None:
    tokens = [await guarded.token() for _ in range(2)]
    now = utc_now()
    async with database.session() as session:
        for number, left in enumerate((timedelta(seconds=-1), timedelta(seconds=60))):
            session.add(
                Challenge(
                    challenge_hash=bytes([number]), purpose=Purpose.SIGN_IN, subject_id=None, expires_at=now + left
                )
            )
        oldest = select(col(HalfwaySignIn.id)).order_by(col(HalfwaySignIn.created_at)).limit(1).scalar_subquery()
        expired = update(HalfwaySignIn).where(col(HalfwaySignIn.id) == oldest)
        await session.execute(expired.values(expires_at=now - timedelta(seconds=1)))
    async with database.session() as session:
        assert await forget_expired(session, now) == 2
        assert [each.challenge_hash for each in (await session.scalars(select(Challenge))).all()] == [b"\x01"]
    answers = [await guarded.verify(token, code=guarded.app.code()) for token in tokens]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert code_of(answers[0]) == "MFA_TOKEN_INVALID"


async def test_pending_app_is_confirmed_only_with_the_secret_that_was_confirmed(
    guarded: Guarded, bystander: tuple[Guarded, Authenticator], database: Database
) -> None:
    """Of two that are set up at once the first is not confirmed with what the second replaced."""
    user_id = await user_id_of(guarded.person)
    async with database.session() as session:
        totps = TotpRepository(session)
        await totps.begin(user_id, b"second")
        assert not await totps.confirm(user_id, b"first", 7)
        assert await totps.confirm(user_id, b"second", 7)
        assert not await totps.use(user_id, 7)
        assert not await totps.use(user_id, 6)
        assert await totps.use(user_id, 8)
    bea, _ = bystander
    bea.app.clock.next_step()
    assert (await bea.verify(await bea.token(), code=bea.app.code())).status_code == 200
