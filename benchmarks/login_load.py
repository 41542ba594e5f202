"""Effect of sign-ins on other requests, and whether the duration of a sign-in reveals that an account exists."""

import asyncio
import secrets
from collections.abc import Sequence
from statistics import median
from time import perf_counter

import httpx2 as httpx

from benchmarks import wrk
from benchmarks.app_target import PASSWORD
from benchmarks.wrk import Call, Round

PARALLEL = 10


async def health_during_logins(address: str, health: Call, emails: Sequence[str], seconds: float) -> tuple[Round, int]:
    """Return the latencies of `health` while ten clients sign in continuously, and the number of sign-ins."""
    done = 0
    signing = True

    async def sign_in_again_and_again(http: httpx.AsyncClient, email: str) -> None:
        nonlocal done
        while signing:
            response = await http.post(f"{address}/api/v1/auth/login", json={"email": email, "password": PASSWORD})
            done += response.status_code == 200

    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        clients = [asyncio.create_task(sign_in_again_and_again(http, email)) for email in emails[:PARALLEL]]
        await asyncio.sleep(0.5)
        round_ = await asyncio.to_thread(wrk.run, health, seconds, 4)
        signing = False
        await asyncio.gather(*clients)
    return round_, done


def medians(address: str, known: Sequence[str]) -> tuple[float, float]:
    """Return the milliseconds of refused sign-ins for known and unknown addresses, alternating, each address once."""
    times: tuple[list[float], list[float]] = ([], [])
    with httpx.Client(timeout=30, trust_env=False) as http:
        for email in known:
            for address_tried, kept in ((email, times[0]), (f"{secrets.token_hex(6)}@example.com", times[1])):
                body = {"email": address_tried, "password": "not-the-password-" + secrets.token_hex(4)}
                started = perf_counter()
                http.post(f"{address}/api/v1/auth/login", json=body)
                kept.append((perf_counter() - started) * 1000)
    return median(times[0]), median(times[1])
