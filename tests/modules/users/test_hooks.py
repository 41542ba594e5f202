"""Hooks at sign-up, sign-in, token claims and invitations: what they decide, and that a rejection leaves nothing."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from tests.core.db.row_counts import count_rows
from tests.modules.auth.conftest import ada, http
from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    new_email,
    post,
    register,
    sign_in,
)
from undercroft.core.db import Database, Session
from undercroft.core.errors import Forbidden
from undercroft.core.hooks import Hook, before
from undercroft.modules.sessions import SignIn, TokenClaims
from undercroft.modules.teams import NewInvitation
from undercroft.modules.users import SignUp
from undercroft.testing import add_declarations

__all__ = ["ada", "http"]

TEAMS = "/api/v1/app/teams"


class Rejected(Forbidden):
    code = "REJECTED_BY_TEST"
    message = "Not here."


async def reject(_session: Session, _point: Any) -> None:
    raise Rejected


async def fail(_session: Session, _point: Any) -> None:
    raise ZeroDivisionError


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


@contextmanager
def hooks(*declared: Hook[Any]) -> Iterator[None]:
    with add_declarations(*declared):
        yield


@pytest.mark.parametrize("registered", [True, False])
async def test_rejected_registration_leaves_nothing_and_does_not_reveal_an_account(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database, registered: bool
) -> None:
    email = ada.email if registered else new_email()
    before_it = await count_rows(database)
    with hooks(before(SignUp)(reject)):
        response = await register(http, email)
    assert (response.status_code, error_code(response)) == (403, "REJECTED_BY_TEST")
    assert response.json()["error"]["message"] == "Not here."
    assert await count_rows(database) == before_it


async def test_failing_hook_leaves_nothing(http: httpx.AsyncClient, database: Database) -> None:
    before_it = await count_rows(database)
    with hooks(before(SignUp)(fail)):
        response = await register(http, new_email())
    assert (response.status_code, error_code(response)) == (500, "HOOK_FAILED")
    assert await count_rows(database) == before_it


async def test_amended_name_is_that_of_the_account(http: httpx.AsyncClient, mailbox: Mailbox) -> None:
    @before(SignUp)
    async def capitalize(_session: Session, sign_up: SignUp) -> SignUp:
        return replace(sign_up, full_name=sign_up.full_name.upper())

    with hooks(capitalize):
        user = await create_registered_user(http, mailbox)
    assert (await user.get("/app/users/me")).json()["full_name"] == "ADA LOVELACE"


async def test_name_chosen_at_the_emailed_link_is_decided_too(
    http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    @before(SignUp)
    async def refuse_name(_session: Session, sign_up: SignUp) -> None:
        if sign_up.full_name == "Root":
            raise Rejected

    email = new_email()
    await register(http, email)
    token = (await mailbox.latest(email)).token
    before_it = await count_rows(database)
    with hooks(refuse_name):
        refused = await post(http, "/verify-email", {"token": token, "full_name": "Root", "password": PASSWORD})
        assert (refused.status_code, error_code(refused)) == (403, "REJECTED_BY_TEST")
        assert await count_rows(database) == before_it
        assert (await post(http, "/verify-email", {"token": token})).status_code == 200


async def test_rejected_sign_in_leaves_no_session_and_is_no_failed_attempt(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    before_it = await count_rows(database)
    with hooks(before(SignIn)(reject)):
        for _ in range(12):
            response = await sign_in(http, ada.email)
            assert (response.status_code, error_code(response)) == (403, "REJECTED_BY_TEST")
        assert error_code(await sign_in(http, ada.email, "another password")) == "INVALID_CREDENTIALS"
    after = await count_rows(database)
    changed = {name for name in after if after[name] != before_it[name]}
    assert changed == {"audit_entries", "audit_personal"}  # of the wrong password
    assert (await sign_in(http, ada.email)).status_code == 200


async def test_hook_shortens_the_session_but_cannot_extend_it(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    lifetimes = [60, 10**9]

    @before(SignIn)
    async def set_lifetime(_session: Session, sign_in: SignIn) -> SignIn:
        return replace(sign_in, lifetime=lifetimes.pop())

    with hooks(set_lifetime):
        longest, short = await ada.sign_in_again(), await ada.sign_in_again()
    assert (await longest.get("/auth/sessions")).status_code == 200
    listed = (await short.get("/auth/sessions")).json()["items"]
    (own,) = [each for each in listed if each["current"]]
    expiries = sorted(each["expires_at"] for each in listed)
    assert own["expires_at"] == expiries[0] < expiries[1]


async def test_hooks_add_claims_under_one_namespace_at_sign_in_and_refresh(
    http: httpx.AsyncClient, ada: RegisteredUser
) -> None:
    @before(TokenClaims)
    async def add_plan(_session: Session, claims: TokenClaims) -> TokenClaims:
        return replace(claims, ext={**claims.ext, "billing": {"plan": "pro", "sub": "forged"}})

    @before(TokenClaims)
    async def add_badge(_session: Session, claims: TokenClaims) -> TokenClaims:
        return replace(claims, ext={**claims.ext, "exp": 1, "sub": "forged"})

    plain = claims_of(ada.access_token)
    assert "ext" not in plain
    with hooks(add_plan, add_badge):
        signed_in = await ada.sign_in_again()
        refreshed = (await post(http, "/refresh", {"refresh_token": signed_in.refresh_token})).json()
    for token in (signed_in.access_token, refreshed["access_token"]):
        claims = claims_of(token)
        assert claims.pop("ext") == {"billing": {"plan": "pro", "sub": "forged"}, "exp": 1, "sub": "forged"}
        assert claims.keys() == plain.keys()
        assert (claims["sub"], claims["iss"], claims["aud"]) == (plain["sub"], plain["iss"], plain["aud"])
        assert (await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "019aa000-0000-7000-8000-000000000001"},
        {"session_id": None},
        {"impersonator_id": "019aa000-0000-7000-8000-000000000001"},
        {"ext": {"a": "x" * 1024}},
        {"ext": {"a": object()}},
        {"ext": ["sub"]},
    ],
    ids=["sub", "sid", "act", "size", "not JSON", "not an object"],
)
async def test_forged_or_oversized_claims_fail_the_sign_in(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database, change: dict[str, Any]
) -> None:
    @before(TokenClaims)
    async def forge(_session: Session, claims: TokenClaims) -> TokenClaims:
        return replace(claims, **change)

    before_it = await count_rows(database)
    with hooks(forge):
        response = await sign_in(http, ada.email)
    assert (response.status_code, error_code(response)) == (500, "HOOK_FAILED")
    assert await count_rows(database) == before_it


async def test_refresh_token_is_unused_after_a_rejection(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    with hooks(before(TokenClaims)(reject)):
        response = await post(http, "/refresh", {"refresh_token": ada.refresh_token})
        assert (response.status_code, error_code(response)) == (403, "REJECTED_BY_TEST")
    first = (await post(http, "/refresh", {"refresh_token": ada.refresh_token})).json()
    assert (await post(http, "/refresh", {"refresh_token": first["refresh_token"]})).status_code == 200


@pytest_asyncio.fixture(loop_scope="session")
async def team(ada: RegisteredUser) -> str:
    created = await ada.send("POST", "/app/teams", {"name": "Analysts"})
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


async def test_rejected_invitation_leaves_nothing(ada: RegisteredUser, team: str, database: Database) -> None:
    before_it = await count_rows(database)
    with hooks(before(NewInvitation)(reject)):
        for email in (ada.email, new_email()):
            response = await ada.send("POST", f"/app/teams/{team}/invitations", {"email": email})
            assert (response.status_code, error_code(response)) == (403, "REJECTED_BY_TEST")
    assert await count_rows(database) == before_it


async def test_amended_role_of_an_invitation_must_be_one_that_exists(ada: RegisteredUser, team: str) -> None:
    roles = ["no_such_role", "viewer"]

    @before(NewInvitation)
    async def set_role(_session: Session, invitation: NewInvitation) -> NewInvitation:
        return replace(invitation, role=roles.pop())

    with hooks(set_role):
        invited = await ada.send("POST", f"/app/teams/{team}/invitations", {"email": new_email(), "role": "member"})
        refused = await ada.send("POST", f"/app/teams/{team}/invitations", {"email": new_email(), "role": "member"})
    assert (invited.status_code, invited.json()["role"]) == (201, "viewer")
    assert error_code(refused) == "UNKNOWN_ROLE"


@pytest.mark.requires_module("web")
async def test_rejection_is_shown_on_the_pages(http: httpx.AsyncClient) -> None:
    same_origin = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    form = {"email": new_email(), "password": PASSWORD, "full_name": "Ada"}
    with hooks(before(SignUp)(reject)):
        page = await http.post("/register", data=form, headers=same_origin)
    assert page.status_code == 403, page.text
    assert "Not here." in page.text
