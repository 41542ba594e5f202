"""Account recovery: it revokes earlier access, and use of a stolen session does not make its IP address known."""

import asyncio
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from tests.modules.audit.entries import entries
from tests.modules.auth.users import (
    Mailbox,
    RegisteredUser,
    create_registered_user,
    make_client,
    new_email,
    post,
    sign_in,
)
from undercroft.cli import user as user_command
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.security.passwords import WeakPassword
from undercroft.modules.auth import AccountCommandService
from undercroft.modules.auth.errors import TooManyAttempts
from undercroft.modules.auth.service.throttle import ACCOUNT, Throttle
from undercroft.modules.sessions import SessionServices
from undercroft.modules.sessions.service.client import Client
from undercroft.modules.users import EmailTaken

NEW_PASSWORD = "seven herons on a roof"
OWNER_IP, THIEF_IP = "192.0.2.1", "203.0.113.77"


@pytest_asyncio.fixture(loop_scope="session")
async def bea(http: httpx.AsyncClient, mailbox: Mailbox) -> RegisteredUser:
    return await create_registered_user(http, mailbox)


@pytest_asyncio.fixture(loop_scope="session")
async def thief(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app, ip=THIEF_IP) as client:
        yield client


async def make_key(user: RegisteredUser, **fields: object) -> str:
    created = await user.send("POST", "/app/api-keys", {"name": "Import", **fields})
    assert created.status_code == 201, created.text
    return str(created.json()["key"])


async def api_key_status(http: httpx.AsyncClient, key: str) -> int:
    return (await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {key}"})).status_code


async def reset_password(http: httpx.AsyncClient, user: RegisteredUser, mailbox: Mailbox) -> None:
    assert (await post(http, "/password/forgot", {"email": user.email})).status_code == 202
    token = (await mailbox.latest(user.email)).token
    assert (await post(http, "/password/reset", {"token": token, "password": NEW_PASSWORD})).status_code == 204


async def run_user_command(*arguments: str, password: str) -> Result:
    return await asyncio.to_thread(
        CliRunner().invoke, user_command.app, [*arguments, "--password-stdin"], input=f"{password}\n"
    )


@pytest.mark.requires_module("api_keys")
async def test_password_reset_revokes_only_the_api_keys_of_the_user(
    http: httpx.AsyncClient, ada: RegisteredUser, bea: RegisteredUser, mailbox: Mailbox
) -> None:
    keys, other = [await make_key(ada) for _ in range(2)], await make_key(bea)

    await reset_password(http, ada, mailbox)

    assert [await api_key_status(http, key) for key in keys] == [401, 401]
    assert await api_key_status(http, other) == 200
    notice = await mailbox.latest(ada.email)
    assert "was reset" in notice.subject
    assert "API keys were revoked" in notice.text


@pytest.mark.requires_module("api_keys", "projects")
async def test_password_reset_does_not_revoke_team_keys(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    team = (await ada.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    created = await ada.send("POST", "/app/api-keys", {"name": "Import", "kind": "team"}, **{"X-Team-ID": team})

    await reset_password(http, ada, mailbox)

    bearer = {"Authorization": f"Bearer {created.json()['key']}"}
    assert (await http.get("/api/v1/app/projects", headers=bearer)).status_code == 200


@pytest.mark.requires_module("api_keys")
async def test_set_password_command_revokes_other_access_and_notifies_the_user(
    http: httpx.AsyncClient, ada: RegisteredUser, bea: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    key, other = await make_key(ada), await make_key(bea)

    done = await run_user_command("set-password", ada.email, password=NEW_PASSWORD)

    assert done.exit_code == 0, done.output
    assert await api_key_status(http, key) == 401
    assert await api_key_status(http, other) == 200
    assert "was reset" in (await mailbox.latest(ada.email)).subject
    assert (await sign_in(http, ada.email)).status_code == 401
    assert (await sign_in(http, ada.email, NEW_PASSWORD)).status_code == 200
    assert (await sign_in(http, bea.email)).status_code == 200
    (entry,) = await entries(database, action="user.password_changed")
    assert (entry["user_id"], entry["details"]) == (None, {"sessions_revoked": 1, "keys_revoked": 1})


async def test_set_password_command_refuses_an_unknown_address(ada: RegisteredUser, database: Database) -> None:
    done = await run_user_command("set-password", new_email(), password=NEW_PASSWORD)
    assert done.exit_code == 1
    assert "No account has the email address" in str(done.exception)
    assert (await sign_in(ada.http, ada.email)).status_code == 200


async def test_create_admin_command_creates_a_superadmin_who_can_sign_in(
    http: httpx.AsyncClient, database: Database
) -> None:
    email = new_email()
    weak = await run_user_command("create-admin", email, password="password123")
    assert (weak.exit_code, type(weak.exception)) == (1, WeakPassword)
    assert (await run_user_command("create-admin", email, "--name", "Root", password=NEW_PASSWORD)).exit_code == 0
    signed_in = await sign_in(http, email, NEW_PASSWORD)
    assert (signed_in.status_code, signed_in.json()["user"]["role"]) == (200, "superadmin")
    assert signed_in.json()["user"]["full_name"] == "Root"


async def test_account_with_a_taken_address_is_not_created(ada: RegisteredUser, database: Database) -> None:
    with pytest.raises(EmailTaken):
        await AccountCommandService(database).create_superadmin(email=ada.email, password=NEW_PASSWORD, full_name="")
    assert (await sign_in(ada.http, ada.email)).json()["user"]["role"] == "user"


@pytest.mark.requires_module("api_keys")
async def test_deactivation_suspends_keys_and_activation_restores_them(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, admin: httpx.AsyncClient
) -> None:
    key = await make_key(ada)
    path = f"/api/v1/admin/users/{(await ada.get('/app/users/me')).json()['id']}"

    assert (await admin.post(f"{path}/deactivate")).status_code == 200
    assert await api_key_status(http, key) == 401
    assert (await admin.post(f"{path}/activate")).status_code == 200

    assert await api_key_status(http, key) == 200
    assert (await ada.get("/app/users/me")).status_code == 401


async def known_ips(database: Database, email: str) -> list[str]:
    """Return the IP addresses that can still sign in while the account is throttled."""
    throttle = Throttle(database, scale=1)
    for number in range(ACCOUNT.free_attempts):
        await throttle.begin(email, Client(f"198.51.100.{number}", "tests"))
    return [ip for ip in (OWNER_IP, THIEF_IP) if await is_allowed(throttle, email, ip)]


async def is_allowed(throttle: Throttle, email: str, ip: str) -> bool:
    try:
        await throttle.begin(email, Client(ip, "tests"))
    except TooManyAttempts:
        return False
    return True


async def use_session(thief: httpx.AsyncClient, user: RegisteredUser, app: Api) -> None:
    bearer = {"Authorization": f"Bearer {user.access_token}"}
    assert (await thief.get("/api/v1/app/users/me", headers=bearer)).status_code == 200
    assert (await post(thief, "/refresh", {"refresh_token": user.refresh_token})).status_code == 200
    await app.context.get(SessionServices).last_seen.flush(app.context.get(Database))


async def test_use_of_a_stolen_session_does_not_make_its_ip_known(
    app: Api, ada: RegisteredUser, thief: httpx.AsyncClient, database: Database
) -> None:
    await use_session(thief, ada, app)
    listed = (await ada.get("/auth/sessions")).json()["items"]
    assert THIEF_IP in {each["ip"] for each in listed}

    assert await known_ips(database, ada.email) == [OWNER_IP]


async def test_sign_in_makes_its_ip_known_for_that_account_only(
    ada: RegisteredUser, bea: RegisteredUser, thief: httpx.AsyncClient, database: Database
) -> None:
    assert (await sign_in(thief, ada.email)).status_code == 200

    assert await known_ips(database, ada.email) == [OWNER_IP, THIEF_IP]
    assert await known_ips(database, bea.email) == [OWNER_IP]


async def test_password_reset_forgets_known_ips(
    http: httpx.AsyncClient,
    ada: RegisteredUser,
    bea: RegisteredUser,
    thief: httpx.AsyncClient,
    database: Database,
    mailbox: Mailbox,
) -> None:
    for user in (ada, bea):
        assert (await sign_in(thief, user.email)).status_code == 200

    await reset_password(http, ada, mailbox)

    assert await known_ips(database, ada.email) == []
    assert await known_ips(database, bea.email) == [OWNER_IP, THIEF_IP]


async def test_ip_of_a_session_revoked_by_its_owner_is_not_known(
    ada: RegisteredUser, thief: httpx.AsyncClient, database: Database
) -> None:
    stolen = await sign_in(thief, ada.email)
    assert stolen.status_code == 200
    listed = (await ada.get("/auth/sessions")).json()["items"]
    session_id = next(each["id"] for each in listed if each["ip"] == THIEF_IP)

    assert (await ada.send("DELETE", f"/auth/sessions/{session_id}")).status_code == 204

    assert await known_ips(database, ada.email) == [OWNER_IP]


async def test_ip_of_a_session_revoked_by_an_administrator_is_not_known(
    ada: RegisteredUser, admin: httpx.AsyncClient, thief: httpx.AsyncClient, database: Database
) -> None:
    assert (await sign_in(thief, ada.email)).status_code == 200
    path = f"/api/v1/admin/users/{(await ada.get('/app/users/me')).json()['id']}/sessions"
    listed = (await admin.get(path)).json()["items"]
    session_id = next(each["id"] for each in listed if each["ip"] == THIEF_IP)

    assert (await admin.delete(f"{path}/{session_id}")).status_code == 204

    assert await known_ips(database, ada.email) == [OWNER_IP]


async def test_revoking_all_other_sessions_keeps_only_the_current_ip_known(
    ada: RegisteredUser, thief: httpx.AsyncClient, database: Database
) -> None:
    assert (await sign_in(thief, ada.email)).status_code == 200

    assert (await ada.send("DELETE", "/auth/sessions")).status_code == 204

    assert await known_ips(database, ada.email) == [OWNER_IP]
