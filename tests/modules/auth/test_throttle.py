"""Failed sign-ins cost time."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import col, select

from tests.modules.auth.people import PASSWORD, Person, client_of, code_of, new_address, sign_in
from undercroft.core.db import Database
from undercroft.core.errors import TooManyRequests
from undercroft.core.http.application import Api
from undercroft.modules.auth import throttle as module
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.device import Device
from undercroft.modules.auth.errors import TooManyAttempts
from undercroft.modules.auth.models import Throttle as Row
from undercroft.modules.auth.throttle import (
    ACCOUNT,
    DEVICE,
    NETWORK,
    PAIR,
    Attempt,
    Throttle,
    attempt_of,
    clear_failures,
    network_of,
)

IP = "192.0.2.1"


@pytest.fixture
def throttle(database: Database) -> Throttle:
    return Throttle(database, scale=1)


def at(ip: str, device: Device | None = None) -> Client:
    return Client(ip, "tests", device or Device())


async def refused(throttle: Throttle, email: str, ip: str) -> bool:
    try:
        await throttle.begin(email, at(ip))
    except TooManyAttempts:
        return True
    return False


async def pass_time(database: Database, span: timedelta) -> None:
    async with database.session() as session:
        connection = await session.raw()
        for column in ("blocked_until", "counted_at"):
            await connection.execute(f"UPDATE auth_throttles SET {column} = {column} - $1::interval", span)


async def test_five_failures_are_free_and_further_ones_wait_longer_each_time(
    throttle: Throttle, database: Database
) -> None:
    email, waits = new_address(), []
    for _ in range(PAIR.free):
        await throttle.begin(email, at(IP))
    for _ in range(4):
        with pytest.raises(TooManyAttempts) as refusal:
            await throttle.begin(email, at(IP))
        waits.append(int(refusal.value.headers["Retry-After"]))
        await pass_time(database, timedelta(seconds=waits[-1]))
        await throttle.begin(email, at(IP))
    assert waits == sorted(set(waits))
    assert PAIR.delay(1000, 1) == PAIR.longest


async def test_parallel_guesses_are_counted_before_they_are_checked(throttle: Throttle) -> None:
    email = new_address()
    refusals = await asyncio.gather(*(refused(throttle, email, IP) for _ in range(30)))
    assert refusals.count(False) == PAIR.free


async def test_a_right_password_forgets_the_failures_of_its_pair_and_counts_for_nothing(
    throttle: Throttle, database: Database
) -> None:
    email = new_address()
    for _ in range(4):
        await throttle.begin(email, at(IP))
    attempt = await throttle.begin(email, at(IP))
    async with database.session() as session:
        await throttle.succeed(session, attempt)
    assert await failures(database, attempt) == [0, 4, 4]


async def failures(database: Database, attempt: Attempt) -> list[int]:
    async with database.reading() as session:
        rows = {row.key: row.failures for row in (await session.scalars(select(Row))).all()}
    return [rows[key] for key in attempt.rules]


async def test_a_guess_that_was_not_checked_is_taken_back(throttle: Throttle, database: Database) -> None:
    attempt = await throttle.begin(new_address(), at(IP))
    await throttle.withdraw(attempt)
    assert await failures(database, attempt) == [0, 0, 0]


async def test_an_account_attacked_from_everywhere_waits_a_minute_at_most_and_its_owner_not_at_all(
    throttle: Throttle, ada: Person
) -> None:
    for number in range(ACCOUNT.free):
        await throttle.begin(ada.email, at(f"198.51.100.{number}"))
    with pytest.raises(TooManyAttempts):
        await throttle.begin(ada.email, at("203.0.113.1"))
    assert ACCOUNT.longest <= 60
    await throttle.begin(ada.email, at(IP))


async def test_a_network_that_tries_many_accounts_waits(throttle: Throttle) -> None:
    for _ in range(NETWORK.free):
        await throttle.begin(new_address(), at("2001:db8::1"))
    assert await refused(throttle, new_address(), "2001:db8::ffff")
    assert not await refused(throttle, new_address(), "2001:db8:0:1::1")


async def test_failures_are_forgotten_after_an_hour(throttle: Throttle, database: Database) -> None:
    email = new_address()
    for _ in range(PAIR.free):
        await throttle.begin(email, at(IP))
    await pass_time(database, module.FORGOTTEN_AFTER + timedelta(seconds=1))
    await throttle.begin(email, at(IP))
    assert (await failures(database, attempt_of(email, at(IP), module.PASSWORD)))[0] == 1


async def test_who_proves_to_be_the_owner_by_mail_is_clear_failuresed(throttle: Throttle, database: Database) -> None:
    email = new_address()
    for _ in range(PAIR.free):
        await throttle.begin(email, at(IP))
    assert await refused(throttle, email, IP)
    async with database.session() as session:
        await clear_failures(session, email, at(IP))
    assert not await refused(throttle, email, IP)


async def test_counts_are_kept_when_the_password_was_wrong_and_seen_from_another_connection(
    app: Api, ada: Person, database: Database
) -> None:
    async with client_of(app) as http:
        assert (await sign_in(http, ada.email, "not the password at all")).status_code == 401
    assert await failures(database, attempt_of(ada.email, at(IP), module.PASSWORD)) == [1, 1, 1]


async def test_known_and_unknown_accounts_are_slowed_alike_even_with_the_right_password(
    app: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.identity.sign_in._throttle, "_scale", 1)
    async with client_of(app, ip="203.0.113.9") as attacker:
        for email in (ada.email, new_address()):
            for _ in range(PAIR.free):
                assert (await sign_in(attacker, email, "a guess that is wrong")).status_code == 401
            answer = await sign_in(attacker, email, PASSWORD)
            assert (answer.status_code, code_of(answer)) == (429, "TOO_MANY_ATTEMPTS")
            assert int(answer.headers["retry-after"]) >= 1
    assert (await sign_in(ada.http, ada.email)).status_code == 200


async def test_asking_for_the_current_password_is_slowed_as_well(
    app: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.identity.sign_in._throttle, "_scale", 1)
    body = {"current_password": "a guess that is wrong"}
    codes = [code_of(await ada.send("DELETE", "/app/users/me", body)) for _ in range(PAIR.free + 1)]
    assert codes == ["WRONG_PASSWORD"] * PAIR.free + ["TOO_MANY_ATTEMPTS"]


async def test_the_scale_of_the_limits_applies() -> None:
    assert PAIR.delay(PAIR.free * 100 - 1, 100) == 0
    assert PAIR.delay(PAIR.free * 100, 100) > 0
    assert issubclass(TooManyAttempts, TooManyRequests)


@pytest.mark.parametrize(
    ("ip", "network"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("", ""), ("unix", "unix")],
)
def test_an_ipv6_network_is_its_first_64_bits(ip: str, network: str) -> None:
    assert network_of(ip) == network


async def test_rows_that_no_longer_count_are_removed(throttle: Throttle, database: Database) -> None:
    await throttle.begin(new_address(), at(IP))
    await pass_time(database, 3 * module.FORGOTTEN_AFTER)
    async with database.session() as session:
        await module.forget(session)
        assert (await session.scalars(select(col(Row.key)))).all() == []


async def test_known_device_has_a_count_of_its_own(throttle: Throttle, database: Database) -> None:
    email, bystander = new_address(), new_address()
    device = Device().with_account(bystander).with_account(email)
    for number in range(ACCOUNT.free):
        await throttle.begin(email, at(f"198.51.100.{number}"))
    attempt = await throttle.begin(email, at("203.0.113.1", device))
    assert await failures(database, attempt) == [1]
    for _ in range(DEVICE.free - 1):
        await throttle.begin(email, at("203.0.113.2", device))
    with pytest.raises(TooManyAttempts):
        await throttle.begin(email, at("203.0.113.3", device))
    await throttle.begin(bystander, at("203.0.113.3", device))
    assert await failures(database, attempt_of(email, at("198.51.100.0"), module.PASSWORD)) == [1, ACCOUNT.free, 1]


async def test_device_of_another_account_counts_like_an_unknown_one(throttle: Throttle) -> None:
    email, device = new_address(), Device().with_account(new_address())
    for _ in range(PAIR.free):
        await throttle.begin(email, at(IP))
    with pytest.raises(TooManyAttempts):
        await throttle.begin(email, at(IP, device))


async def test_success_at_a_known_place_leaves_the_wait_of_the_account(throttle: Throttle, ada: Person) -> None:
    for number in range(ACCOUNT.free):
        await throttle.begin(ada.email, at(f"198.51.100.{number}"))
    attempt = await throttle.begin(ada.email, at(IP))
    async with throttle._database.session() as session:
        await throttle.succeed(session, attempt)
    with pytest.raises(TooManyAttempts):
        await throttle.begin(ada.email, at("203.0.113.1"))
