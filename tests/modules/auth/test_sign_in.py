"""Sign-in with a password, and authentication of requests."""

import asyncio

import httpx2 as httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from tests.enabled import is_enabled
from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    make_client,
    new_email,
    post,
    register,
    sign_in,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.security import passwords
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.security.threads import TooBusy
from undercroft.core.settings import load, use
from undercroft.modules.auth.models import ThrottleCounter
from undercroft.modules.sessions import SessionServices
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.teams import Team
from undercroft.modules.users.models import User
from undercroft.modules.users.schemas import ProfileRead
from undercroft.testing.statements import StatementRecorder


async def test_wrong_password_and_unknown_address_get_the_same_response_and_statements(
    http: httpx.AsyncClient, ada: RegisteredUser, statements: StatementRecorder
) -> None:
    await sign_in(http, ada.email, "the first request of each connection runs more statements")
    await statements.clear()
    wrong = await sign_in(http, ada.email, "not the password at all")
    await statements.get_all()
    expected = statements.all.copy()
    await statements.clear()
    unknown = await sign_in(http, new_email(), "not the password at all")
    await statements.get_all()
    assert statements.all == expected
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["error"] == unknown.json()["error"]
    assert wrong.json()["error"]["code"] == "INVALID_CREDENTIALS"


async def test_attempt_that_is_not_checked_under_load_does_not_count_as_a_failure(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise TooBusy(retry_after=2)

    async def count_failures() -> int:
        async with database.read_session() as session:
            return sum((await session.scalars(select(col(ThrottleCounter.failures)))).all())

    before = await count_failures()
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "verify", refuse)
        busy = await sign_in(http, ada.email)
    assert (busy.status_code, error_code(busy), busy.headers["Retry-After"]) == (503, "TOO_BUSY", "2")
    assert await count_failures() == before
    assert (await sign_in(http, ada.email, "not the password at all")).status_code == 401
    assert await count_failures() > before


async def test_sign_in_of_a_deactivated_user_returns_invalid_credentials(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    async with database.session() as session:
        await session.execute(update(User).values(is_active=False))
    assert error_code(await sign_in(http, ada.email)) == "INVALID_CREDENTIALS"


async def test_password_is_rehashed_when_the_parameters_change(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    async def stored() -> str:
        async with database.read_session() as session:
            return str(await session.scalar(select(col(User.password_hash))))

    before = await stored()
    use(load(PasswordSettings).model_copy(update={"password_time_cost": 2}))
    assert (await sign_in(http, ada.email)).status_code == 200
    assert passwords.needs_rehash(before)
    assert not passwords.needs_rehash(await stored())
    assert (await sign_in(http, ada.email)).status_code == 200


NFC, NFD = "caf\u00e9 \u00fcber alles", "cafe\u0301 u\u0308ber alles"  # typos: ignore


@pytest.mark.parametrize(("registered", "typed"), [(NFC, NFD), (NFD, NFC)])
async def test_password_is_accepted_in_every_unicode_form(
    http: httpx.AsyncClient, mailbox: Mailbox, registered: str, typed: str
) -> None:
    email = new_email()
    await register(http, email, registered)
    tokens = (await post(http, "/verify-email", {"token": (await mailbox.latest(email)).token})).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await sign_in(http, email, typed)).status_code == 200
    form = {"username": email, "password": typed}
    assert (await http.post("/api/v1/auth/token", data=form)).status_code == 200
    page = {"email": email, "password": typed}
    for path in [path for module, path in {"web": "/sign-in", "admin": "/admin/login"}.items() if is_enabled(module)]:
        response = await http.post(path, data=page, headers={"Sec-Fetch-Site": "same-origin"})
        assert response.status_code == 303
    if is_enabled("mfa"):
        assert (await post(http, "/step-up", {"password": typed}, **bearer)).status_code == 204
    change = {"current_password": typed, "new_password": registered + "!"}
    assert (await post(http, "/password/change", change, **bearer)).status_code == 204
    assert (await sign_in(http, email, typed + "!")).status_code == 200


async def test_hash_of_an_unnormalized_password_is_replaced_after_sign_in(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    bystander = await create_registered_user(http, mailbox)
    before = passwords._hasher().hash(NFD.encode())
    async with database.session() as session:
        await session.execute(update(User).where(col(User.email) == ada.email).values(password_hash=before))
    assert (await sign_in(http, ada.email, NFC)).status_code == 401
    assert (await sign_in(http, ada.email, NFD)).status_code == 200
    assert (await sign_in(http, ada.email, NFC)).status_code == 200
    assert (await sign_in(http, bystander.email)).status_code == 200


async def test_password_length_is_counted_after_normalization(http: httpx.AsyncClient) -> None:
    longest = "e\u0301a\u0308o\u0308u\u0308" * 64
    assert (await register(http, new_email(), longest)).status_code == 202
    for wrong in (longest + "x", "e\u0301a\u0308o\u0308u\u0308e\u0301a\u0308"):
        assert (await register(http, new_email(), wrong)).status_code == 422


async def test_oauth2_form_returns_tokens_and_rejects_an_invalid_address(
    http: httpx.AsyncClient, ada: RegisteredUser
) -> None:
    form = {"grant_type": "password", "username": ada.email, "password": PASSWORD}
    response = await http.post("/api/v1/auth/token", data=form)
    assert response.status_code == 200
    assert set(response.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (await http.post("/api/v1/auth/token", data={**form, "password": "no"})).status_code == 401
    assert (await http.post("/api/v1/auth/token", data={**form, "username": "no address"})).status_code == 422
    assert (await http.post("/api/v1/auth/token", data={**form, "password": "x" * 10_000})).status_code == 422


@pytest.mark.parametrize("sent_by", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_cross_site_oauth2_form_sets_no_device_cookie(
    http: httpx.AsyncClient, ada: RegisteredUser, sent_by: dict[str, str]
) -> None:
    form = {"username": ada.email, "password": PASSWORD}
    response = await http.post("/api/v1/auth/token", data=form, headers=sent_by)
    assert (response.status_code, error_code(response)) == (403, "CSRF_FAILED")
    assert "set-cookie" not in response.headers
    own = await http.post("/api/v1/auth/token", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 200


async def test_profile_runs_one_statement_and_matches_its_schema(
    ada: RegisteredUser, statements: StatementRecorder
) -> None:
    await ada.get("/app/users/me")
    await statements.clear()
    response = await ada.get("/app/users/me")
    await statements.get_all()
    assert len(statements.all) == 1, statements
    assert ProfileRead.model_validate_json(response.content, strict=True).model_dump(mode="json") == response.json()
    assert list(response.json()) == list(ProfileRead.model_fields)


async def test_last_seen_times_are_written_in_one_batch(
    ada: RegisteredUser, session_services: SessionServices, database: Database, statements: StatementRecorder
) -> None:
    other = await ada.sign_in_again()
    await session_services.last_seen.flush(database)
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_sessions SET last_seen_at = now() - interval '1 day'")
    await ada.get("/app/users/me")
    await other.get("/app/users/me")
    await other.get("/app/users/me")
    await statements.clear()
    assert await session_services.last_seen.flush(database) == 2
    await statements.get_all()
    assert len([sql for sql in statements.sent if "UPDATE" in sql]) == 1
    async with database.read_session() as session:
        late = await session.scalars(
            select(col(AuthSession.id)).where(col(AuthSession.last_seen_at) < col(AuthSession.created_at))
        )
        assert len(late.all()) == 0


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x.y.z",
        "Basic YTpi",
        "bearer \xe2",
        "Bearer " + "a" * 9000,
    ],
)
async def test_invalid_authorization_header_is_rejected(http: httpx.AsyncClient, authorization: str, app: Api) -> None:
    headers = [(b"authorization", authorization.encode("latin-1"))]
    response = await http.get("/api/v1/app/users/me", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_invalid_authorization_header_is_rejected_despite_a_valid_cookie(app: Api, ada: RegisteredUser) -> None:
    async with make_client(app) as browser:
        assert (await sign_in(browser, ada.email, session="cookie")).status_code == 200
        assert (await browser.get("/api/v1/app/users/me")).status_code == 200
        response = await browser.get("/api/v1/app/users/me", headers={"Authorization": "Bearer nonsense"})
        assert response.status_code == 401


async def test_team_header_with_a_foreign_unknown_or_malformed_id_returns_404(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    bob = await create_registered_user(http, mailbox)
    async with database.read_session() as session:
        query = select(col(User.email), col(Team.id)).join(Team, col(Team.personal_user_id) == col(User.id))
        teams = {row.email: str(row.id) for row in await session.execute(query)}
    assert (await ada.get("/app/users/me", **{"X-Team-ID": teams[ada.email]})).status_code == 200
    for team in (teams[bob.email], str(new_id()), "not-a-team", "", "' OR 1=1 --"):
        response = await ada.get("/app/users/me", **{"X-Team-ID": team})
        assert (response.status_code, error_code(response)) == (404, "TEAM_NOT_FOUND")


async def test_principal_statement_has_three_joins(ada: RegisteredUser, statements: StatementRecorder) -> None:
    await statements.clear()
    await ada.get("/app/users/me")
    await statements.get_all()
    assert statements.sent[0].count("JOIN") == 3


async def test_concurrent_sign_ins_succeed(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    responses = await asyncio.gather(*(sign_in(http, ada.email) for _ in range(10)))
    assert {response.status_code for response in responses} == {200}


async def test_sign_in_fails_when_the_password_changes_during_the_check(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords.verify

    async def slow_verify(password: str, stored: str | None, *, subject: str) -> bool:
        matches = await verify(password, stored, subject=subject)
        async with database.session() as session:
            await session.execute(update(User).values(password_hash="$argon2id$another"))
        return matches

    monkeypatch.setattr(passwords, "verify", slow_verify)
    assert (await sign_in(http, ada.email)).status_code == 401
