"""Passwords."""

import asyncio
import threading

import pytest

from undercroft.core.errors import Unprocessable
from undercroft.core.security import passwords
from undercroft.core.security.passwords import PasswordMatch, WeakPassword, require_strong
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.security.threads import BoundedThreads, TooBusy
from undercroft.core.settings import use

GOOD = "three otters in a boat"


@pytest.fixture(autouse=True)
def cheap_hashing() -> None:
    use(PasswordSettings(password_memory_kib=64, password_time_cost=1))


async def test_a_password_is_verified_against_its_hash_only() -> None:
    stored = await passwords.hash(GOOD, subject="ada")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert stored != await passwords.hash(GOOD, subject="ada")
    assert await passwords.verify(GOOD, stored, subject="ada")
    assert not await passwords.verify(GOOD + " ", stored, subject="ada")


@pytest.mark.parametrize("password", ["", "snow ☃ and 🦦", "nul \0 inside", "\ud800 alone", "x" * 10_000])
async def test_any_text_can_be_hashed_or_refused_but_never_breaks(password: str) -> None:
    stored = await passwords.hash(password, subject="ada")
    assert await passwords.verify(password, stored, subject="ada")


async def test_without_a_hash_the_work_is_the_same_and_the_answer_no(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = passwords._verify

    def recorded(stored: str, password: bytes) -> bool:
        checked.append(stored)
        return verify(stored, password)

    monkeypatch.setattr(passwords, "_verify", recorded)
    assert not await passwords.verify(GOOD, None, subject="nobody")
    (dummy,) = checked
    assert not passwords.needs_rehash(dummy)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=64,t=1,p=1$broken", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_a_broken_hash_lets_nobody_in(stored: str) -> None:
    assert not await passwords.verify(GOOD, stored, subject="ada")


async def test_a_hash_with_other_parameters_is_due_to_be_made_anew() -> None:
    stored = await passwords.hash(GOOD, subject="ada")
    use(PasswordSettings(password_memory_kib=128, password_time_cost=1))
    assert passwords.needs_rehash(stored)
    assert await passwords.verify(GOOD, stored, subject="ada")


def test_what_is_short_long_well_known_or_the_address_is_no_password() -> None:
    require_strong(GOOD)
    require_strong("correcthorsebatterystaple!")
    for weak in ("ninechars", "x" * 257, "password123", "PASSWORD123", "qwertyuiop", "aaaaaaaaaaaaaaa", "abababababab"):
        with pytest.raises(WeakPassword) as refusal:
            require_strong(weak)
        assert weak not in refusal.value.text
    for own in ("ada.lovelace@example.com", "ada.lovelace"):
        with pytest.raises(Unprocessable):
            require_strong(own, email="Ada.Lovelace@example.com")


def test_production_asks_for_parameters_that_are_not_cheap() -> None:
    assert list(PasswordSettings().production_errors()) == []
    assert len(list(PasswordSettings(password_memory_kib=1024).production_errors())) == 1


class BlockingCall:
    """Work that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.open.wait(10)
        with self._lock:
            self.running -= 1


async def wait_until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_no_more_runs_at_once_than_is_allowed_and_no_more_waits() -> None:
    gate, threads = BlockingCall(), BoundedThreads(parallel=2, queue=3, max_wait=5)
    calls = [asyncio.create_task(threads.run(gate, subject=str(number))) for number in range(5)]
    await wait_until(lambda: gate.running == 2)
    with pytest.raises(TooBusy) as refusal:
        await threads.run(gate, subject="one too many")
    assert int(refusal.value.headers["Retry-After"]) >= 1
    gate.open.set()
    await asyncio.gather(*calls)
    assert gate.most == 2


async def test_who_waits_too_long_is_told_so() -> None:
    gate, threads = BlockingCall(), BoundedThreads(parallel=1, queue=3, max_wait=0.05)
    running = asyncio.create_task(threads.run(gate, subject="a"))
    await wait_until(lambda: gate.running == 1)
    with pytest.raises(TooBusy):
        await threads.run(gate, subject="b")
    gate.open.set()
    await running
    await threads.run(gate, subject="b")


async def test_fifty_calls_about_one_subject_take_one_place_and_all_succeed() -> None:
    gate, threads = BlockingCall(), BoundedThreads(parallel=1, queue=2, max_wait=5)
    calls = [asyncio.create_task(threads.run(gate, subject="ada")) for _ in range(50)]
    await wait_until(lambda: gate.running == 1)
    other = asyncio.create_task(threads.run(gate, subject="bob"))
    gate.open.set()
    await asyncio.gather(other, *calls)
    assert threads._subjects == {}


async def test_more_than_that_about_one_subject_are_refused() -> None:
    gate, threads = BlockingCall(), BoundedThreads(parallel=1, max_waiting_per_subject=3)
    calls = [asyncio.create_task(threads.run(gate, subject="ada")) for _ in range(4)]
    await wait_until(lambda: gate.running == 1)
    with pytest.raises(TooBusy):
        await threads.run(gate, subject="ada")
    gate.open.set()
    await asyncio.gather(*calls)


async def test_a_caller_that_goes_away_keeps_its_place_until_the_thread_is_free() -> None:
    gate, threads = BlockingCall(), BoundedThreads(parallel=1, max_wait=5)
    gone = asyncio.create_task(threads.run(gate, subject="a"))
    await wait_until(lambda: gate.running == 1)
    gone.cancel()
    waiting = asyncio.create_task(threads.run(gate, subject="b"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert gate.most == 1
    gate.open.set()
    await waiting
    assert gate.most == 1


async def test_what_the_work_raises_comes_out() -> None:
    threads = BoundedThreads(parallel=1)

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await threads.run(fail, subject="a")
    assert await threads.run(lambda: 42, subject="a") == 42


NFC, NFD = "caf\u00e9 \u00fcber alles", "cafe\u0301 u\u0308ber alles"


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        (NFC, NFD),
        (NFD, NFC),
        ("three\u00a0otters in\u3000a boat", GOOD),
        ("\u212bngstr\u00f6m is short", "\u00c5ngstro\u0308m is short"),
    ],
)
async def test_password_verifies_in_every_form_of_the_same_characters(typed: str, same: str) -> None:
    stored = await passwords.hash(typed, subject="ada")
    assert await passwords.verify(same, stored, subject="ada") is PasswordMatch.NORMALIZED
    assert passwords.normalize(typed) == passwords.normalize(same)


@pytest.mark.parametrize(
    "other", ["Caf\u00e9 \u00fcber alles", "cafe uber alles", NFC + " ", "\uff43\uff41\uff46\u00e9 \u00fcber alles"]
)
async def test_case_width_accents_and_outer_spaces_stay_part_of_a_password(other: str) -> None:
    stored = await passwords.hash(NFC, subject="ada")
    assert await passwords.verify(other, stored, subject="ada") is PasswordMatch.NONE


async def test_hash_of_an_unnormalized_password_still_verifies_in_its_own_form_and_asks_for_a_new_one() -> None:
    stored = passwords._hasher().hash(NFD.encode())
    assert await passwords.verify(NFD, stored, subject="ada") is PasswordMatch.UNNORMALIZED
    assert await passwords.verify(NFC, stored, subject="ada") is PasswordMatch.NONE


def test_length_counts_after_normalization() -> None:
    require_strong("e\u0301a\u0308o\u0308u\u0308" * 64)
    with pytest.raises(WeakPassword):
        require_strong("e\u0301a\u0308o\u0308u\u0308" * 64 + "x")
    with pytest.raises(WeakPassword):
        require_strong("e\u0301a\u0308o\u0308u\u0308e\u0301a\u0308")
