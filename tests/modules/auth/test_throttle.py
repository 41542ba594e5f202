"""Throttling of failed sign-ins."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import col, select

from tests.modules.auth.users import PASSWORD, RegisteredUser, error_code, make_client, new_email, sign_in
from undercroft.core.db import Database
from undercroft.core.errors import TooManyRequests
from undercroft.core.http.application import Api
from undercroft.modules.auth import AuthServices
from undercroft.modules.auth.errors import TooManyAttempts
from undercroft.modules.auth.models import ThrottleCounter as Row
from undercroft.modules.auth.service import throttle as module
from undercroft.modules.auth.service.throttle import (
    ACCOUNT,
    DEVICE,
    NETWORK,
    PAIR,
    SignInAttempt,
    Throttle,
    build_attempt,
    clear_failures,
    network_prefix,
)
from undercroft.modules.sessions.service.client import Client, Device

IP = "192.0.2.1"


@pytest.fixture
def throttle(database: Database) -> Throttle:
    return Throttle(database, scale=1)


def client_at(ip: str, device: Device | None = None) -> Client:
    return Client(ip, "tests", device or Device())


async def is_refused(throttle: Throttle, email: str, ip: str) -> bool:
    try:
        await throttle.begin(email, client_at(ip))
    except TooManyAttempts:
        return True
    return False


async def age_counters(database: Database, span: timedelta) -> None:
    async with database.session() as session:
        connection = await session.raw()
        for column in ("blocked_until", "counted_at"):
            await connection.execute(f"UPDATE auth_throttles SET {column} = {column} - $1::interval", span)


async def test_delay_increases_after_five_failures(throttle: Throttle, database: Database) -> None:
    email, waits = new_email(), []
    for _ in range(PAIR.free_attempts):
        await throttle.begin(email, client_at(IP))
    for _ in range(4):
        with pytest.raises(TooManyAttempts) as refusal:
            await throttle.begin(email, client_at(IP))
        waits.append(int(refusal.value.headers["Retry-After"]))
        await age_counters(database, timedelta(seconds=waits[-1]))
        await throttle.begin(email, client_at(IP))
    assert waits == sorted(set(waits))
    assert PAIR.delay(1000, 1) == PAIR.max_delay


async def test_concurrent_attempts_are_counted_before_they_are_checked(throttle: Throttle) -> None:
    email = new_email()
    refusals = await asyncio.gather(*(is_refused(throttle, email, IP) for _ in range(30)))
    assert refusals.count(False) == PAIR.free_attempts


async def test_success_clears_the_failures_of_its_pair(throttle: Throttle, database: Database) -> None:
    email = new_email()
    for _ in range(4):
        await throttle.begin(email, client_at(IP))
    attempt = await throttle.begin(email, client_at(IP))
    async with database.session() as session:
        await throttle.succeed(session, attempt)
    assert await failure_counts(database, attempt) == [0, 4, 4]


async def failure_counts(database: Database, attempt: SignInAttempt) -> list[int]:
    async with database.read_session() as session:
        rows = {row.key: row.failures for row in (await session.scalars(select(Row))).all()}
    return [rows[key] for key in attempt.rules]


async def test_withdrawn_attempt_is_not_counted(throttle: Throttle, database: Database) -> None:
    attempt = await throttle.begin(new_email(), client_at(IP))
    await throttle.withdraw(attempt)
    assert await failure_counts(database, attempt) == [0, 0, 0]


async def test_account_delay_is_at_most_a_minute_and_skips_known_addresses(
    throttle: Throttle, ada: RegisteredUser
) -> None:
    for number in range(ACCOUNT.free_attempts):
        await throttle.begin(ada.email, client_at(f"198.51.100.{number}"))
    with pytest.raises(TooManyAttempts):
        await throttle.begin(ada.email, client_at("203.0.113.1"))
    assert ACCOUNT.max_delay <= 60
    await throttle.begin(ada.email, client_at(IP))


async def test_network_with_failures_for_many_accounts_is_throttled(throttle: Throttle) -> None:
    for _ in range(NETWORK.free_attempts):
        await throttle.begin(new_email(), client_at("2001:db8::1"))
    assert await is_refused(throttle, new_email(), "2001:db8::ffff")
    assert not await is_refused(throttle, new_email(), "2001:db8:0:1::1")


async def test_failures_expire_after_an_hour(throttle: Throttle, database: Database) -> None:
    email = new_email()
    for _ in range(PAIR.free_attempts):
        await throttle.begin(email, client_at(IP))
    await age_counters(database, module.FAILURE_WINDOW + timedelta(seconds=1))
    await throttle.begin(email, client_at(IP))
    assert (await failure_counts(database, build_attempt(email, client_at(IP), module.PASSWORD)))[0] == 1


async def test_clear_failures_ends_the_delay(throttle: Throttle, database: Database) -> None:
    email = new_email()
    for _ in range(PAIR.free_attempts):
        await throttle.begin(email, client_at(IP))
    assert await is_refused(throttle, email, IP)
    async with database.session() as session:
        await clear_failures(session, email, client_at(IP))
    assert not await is_refused(throttle, email, IP)


async def test_failed_sign_in_commits_its_counters(app: Api, ada: RegisteredUser, database: Database) -> None:
    async with make_client(app) as http:
        assert (await sign_in(http, ada.email, "not the password at all")).status_code == 401
    assert await failure_counts(database, build_attempt(ada.email, client_at(IP), module.PASSWORD)) == [1, 1, 1]


async def test_known_and_unknown_accounts_are_throttled_alike_even_with_the_correct_password(
    app: Api, ada: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).sign_in._throttle, "_scale", 1)
    async with make_client(app, ip="203.0.113.9") as attacker:
        for email in (ada.email, new_email()):
            for _ in range(PAIR.free_attempts):
                assert (await sign_in(attacker, email, "a guess that is wrong")).status_code == 401
            response = await sign_in(attacker, email, PASSWORD)
            assert (response.status_code, error_code(response)) == (429, "TOO_MANY_ATTEMPTS")
            assert int(response.headers["retry-after"]) >= 1
    assert (await sign_in(ada.http, ada.email)).status_code == 200


async def test_current_password_checks_are_throttled(
    app: Api, ada: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).sign_in._throttle, "_scale", 1)
    body = {"current_password": "a guess that is wrong"}
    codes = [error_code(await ada.send("DELETE", "/app/users/me", body)) for _ in range(PAIR.free_attempts + 1)]
    assert codes == ["WRONG_PASSWORD"] * PAIR.free_attempts + ["TOO_MANY_ATTEMPTS"]


async def test_throttle_applies_the_rate_limit_scale() -> None:
    assert PAIR.delay(PAIR.free_attempts * 100 - 1, 100) == 0
    assert PAIR.delay(PAIR.free_attempts * 100, 100) > 0
    assert issubclass(TooManyAttempts, TooManyRequests)


@pytest.mark.parametrize(
    ("ip", "network"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("", ""), ("unix", "unix")],
)
def test_network_prefix_of_ipv6_has_64_bits(ip: str, network: str) -> None:
    assert network_prefix(ip) == network


async def test_expired_counters_are_deleted(throttle: Throttle, database: Database) -> None:
    await throttle.begin(new_email(), client_at(IP))
    await age_counters(database, 3 * module.FAILURE_WINDOW)
    async with database.session() as session:
        await module.delete_expired(session)
        assert (await session.scalars(select(col(Row.key)))).all() == []


async def test_known_device_has_a_separate_counter(throttle: Throttle, database: Database) -> None:
    email, bystander = new_email(), new_email()
    device = Device().with_account(bystander).with_account(email)
    for number in range(ACCOUNT.free_attempts):
        await throttle.begin(email, client_at(f"198.51.100.{number}"))
    attempt = await throttle.begin(email, client_at("203.0.113.1", device))
    assert await failure_counts(database, attempt) == [1]
    for _ in range(DEVICE.free_attempts - 1):
        await throttle.begin(email, client_at("203.0.113.2", device))
    with pytest.raises(TooManyAttempts):
        await throttle.begin(email, client_at("203.0.113.3", device))
    await throttle.begin(bystander, client_at("203.0.113.3", device))
    assert await failure_counts(database, build_attempt(email, client_at("198.51.100.0"), module.PASSWORD)) == [
        1,
        ACCOUNT.free_attempts,
        1,
    ]


async def test_device_of_another_account_counts_like_an_unknown_one(throttle: Throttle) -> None:
    email, device = new_email(), Device().with_account(new_email())
    for _ in range(PAIR.free_attempts):
        await throttle.begin(email, client_at(IP))
    with pytest.raises(TooManyAttempts):
        await throttle.begin(email, client_at(IP, device))


async def test_success_at_a_known_address_keeps_the_delay_of_the_account(
    throttle: Throttle, ada: RegisteredUser
) -> None:
    for number in range(ACCOUNT.free_attempts):
        await throttle.begin(ada.email, client_at(f"198.51.100.{number}"))
    attempt = await throttle.begin(ada.email, client_at(IP))
    async with throttle._database.session() as session:
        await throttle.succeed(session, attempt)
    with pytest.raises(TooManyAttempts):
        await throttle.begin(ada.email, client_at("203.0.113.1"))
