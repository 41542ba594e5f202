"""Password hashing and the password policy."""

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


async def test_password_verifies_only_against_its_hash() -> None:
    stored = await passwords.hash(GOOD, subject="ada")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert stored != await passwords.hash(GOOD, subject="ada")
    assert await passwords.verify(GOOD, stored, subject="ada")
    assert not await passwords.verify(GOOD + " ", stored, subject="ada")


@pytest.mark.parametrize("password", ["", "snow ☃ and 🦦", "nul \0 inside", "\ud800 alone", "x" * 10_000])
async def test_any_text_can_be_hashed(password: str) -> None:
    stored = await passwords.hash(password, subject="ada")
    assert await passwords.verify(password, stored, subject="ada")


async def test_verify_without_a_hash_does_the_same_work_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = passwords._verify

    def recorded(stored: str, password: bytes) -> bool:
        checked.append(stored)
        return verify(stored, password)

    monkeypatch.setattr(passwords, "_verify", recorded)
    assert not await passwords.verify(GOOD, None, subject="unknown")
    (dummy,) = checked
    assert not passwords.needs_rehash(dummy)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=64,t=1,p=1$broken", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_invalid_hash_never_verifies(stored: str) -> None:
    assert not await passwords.verify(GOOD, stored, subject="ada")


async def test_hash_with_other_parameters_needs_a_rehash() -> None:
    stored = await passwords.hash(GOOD, subject="ada")
    use(PasswordSettings(password_memory_kib=128, password_time_cost=1))
    assert passwords.needs_rehash(stored)
    assert await passwords.verify(GOOD, stored, subject="ada")


def test_weak_password_is_refused() -> None:
    require_strong(GOOD)
    require_strong("correcthorsebatterystaple!")
    for weak in ("ninechars", "x" * 257, "password123", "PASSWORD123", "qwertyuiop", "aaaaaaaaaaaaaaa", "abababababab"):
        with pytest.raises(WeakPassword) as refusal:
            require_strong(weak)
        assert weak not in refusal.value.text
    for own in ("ada.lovelace@example.com", "ada.lovelace"):
        with pytest.raises(Unprocessable):
            require_strong(own, email="Ada.Lovelace@example.com")


def test_production_requires_expensive_parameters() -> None:
    assert list(PasswordSettings().production_errors()) == []
    assert len(list(PasswordSettings(password_memory_kib=1024).production_errors())) == 1


class BlockingCall:
    """A call that blocks until the test sets `released`."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.released.wait(10)
        with self._lock:
            self.running -= 1


async def wait_until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_running_and_waiting_calls_are_bounded() -> None:
    blocking_call, threads = BlockingCall(), BoundedThreads(parallel=2, queue=3, max_wait=5)
    calls = [asyncio.create_task(threads.run(blocking_call, subject=str(number))) for number in range(5)]
    await wait_until(lambda: blocking_call.running == 2)
    with pytest.raises(TooBusy) as refusal:
        await threads.run(blocking_call, subject="one too many")
    assert int(refusal.value.headers["Retry-After"]) >= 1
    blocking_call.released.set()
    await asyncio.gather(*calls)
    assert blocking_call.most == 2


async def test_call_that_waits_too_long_is_refused() -> None:
    blocking_call, threads = BlockingCall(), BoundedThreads(parallel=1, queue=3, max_wait=0.05)
    running = asyncio.create_task(threads.run(blocking_call, subject="a"))
    await wait_until(lambda: blocking_call.running == 1)
    with pytest.raises(TooBusy):
        await threads.run(blocking_call, subject="b")
    blocking_call.released.set()
    await running
    await threads.run(blocking_call, subject="b")


async def test_fifty_calls_of_one_subject_take_one_slot_and_all_succeed() -> None:
    blocking_call, threads = BlockingCall(), BoundedThreads(parallel=1, queue=2, max_wait=5)
    calls = [asyncio.create_task(threads.run(blocking_call, subject="ada")) for _ in range(50)]
    await wait_until(lambda: blocking_call.running == 1)
    other = asyncio.create_task(threads.run(blocking_call, subject="bob"))
    blocking_call.released.set()
    await asyncio.gather(other, *calls)
    assert len(threads._subjects) == 0


async def test_calls_of_one_subject_above_the_limit_are_refused() -> None:
    blocking_call, threads = BlockingCall(), BoundedThreads(parallel=1, max_waiting_per_subject=3)
    calls = [asyncio.create_task(threads.run(blocking_call, subject="ada")) for _ in range(4)]
    await wait_until(lambda: blocking_call.running == 1)
    with pytest.raises(TooBusy):
        await threads.run(blocking_call, subject="ada")
    blocking_call.released.set()
    await asyncio.gather(*calls)


async def test_canceled_call_keeps_its_slot_until_its_thread_ends() -> None:
    blocking_call, threads = BlockingCall(), BoundedThreads(parallel=1, max_wait=5)
    canceled = asyncio.create_task(threads.run(blocking_call, subject="a"))
    await wait_until(lambda: blocking_call.running == 1)
    canceled.cancel()
    waiting = asyncio.create_task(threads.run(blocking_call, subject="b"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert blocking_call.most == 1
    blocking_call.released.set()
    await waiting
    assert blocking_call.most == 1


async def test_exception_of_the_work_propagates() -> None:
    threads = BoundedThreads(parallel=1)

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await threads.run(fail, subject="a")
    assert await threads.run(lambda: 42, subject="a") == 42


NFC, NFD = "caf\u00e9 \u00fcber alles", "cafe\u0301 u\u0308ber alles"  # typos: ignore


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        (NFC, NFD),
        (NFD, NFC),
        ("three\u00a0otters in\u3000a boat", GOOD),
        ("\u212bngstr\u00f6m is short", "\u00c5ngstro\u0308m is short"),
    ],
)
async def test_password_verifies_in_every_unicode_form(typed: str, same: str) -> None:
    stored = await passwords.hash(typed, subject="ada")
    assert await passwords.verify(same, stored, subject="ada") is PasswordMatch.NORMALIZED
    assert passwords.normalize(typed) == passwords.normalize(same)


@pytest.mark.parametrize(
    "other",
    [
        "Caf\u00e9 \u00fcber alles",  # typos: ignore
        "cafe uber alles",
        NFC + " ",
        "\uff43\uff41\uff46\u00e9 \u00fcber alles",
    ],
)
async def test_case_width_accents_and_outer_spaces_are_significant(other: str) -> None:
    stored = await passwords.hash(NFC, subject="ada")
    assert await passwords.verify(other, stored, subject="ada") is PasswordMatch.NONE


async def test_hash_of_an_unnormalized_password_verifies_as_unnormalized() -> None:
    stored = passwords._hasher().hash(NFD.encode())
    assert await passwords.verify(NFD, stored, subject="ada") is PasswordMatch.UNNORMALIZED
    assert await passwords.verify(NFC, stored, subject="ada") is PasswordMatch.NONE


def test_length_is_counted_after_normalization() -> None:
    require_strong("e\u0301a\u0308o\u0308u\u0308" * 64)
    with pytest.raises(WeakPassword):
        require_strong("e\u0301a\u0308o\u0308u\u0308" * 64 + "x")
    with pytest.raises(WeakPassword):
        require_strong("e\u0301a\u0308o\u0308u\u0308e\u0301a\u0308")
