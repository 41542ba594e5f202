"""Line 1: one command starts everything, Ctrl-C ends it, a kill -9 of any part is mended or leaves nothing behind."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from acceptance.people import Person, signed_up
from acceptance.processes import Process
from acceptance.stack import Stack, cloned
from acceptance.verdict import Verdict

FIRST, SECOND, GONE = 120, 6, 10
PARTS: dict[str, Callable[[Process], bool]] = {
    "the API server": lambda process: "undercroft" in process.command and "serve" in process.command.split(),
    "the worker": lambda process: "undercroft" in process.command and "worker" in process.command.split(),
    "PostgreSQL": lambda process: "postgres" in process.command and " -D " in process.command,
    "Valkey": lambda process: "valkey-server" in process.command,
}


async def prove(verdict: Verdict) -> None:
    async with cloned() as stack:
        person = await _first_start(stack, verdict)
        await _ctrl_c(stack, verdict)
        await _second_start(stack, person, verdict)
        for part, chosen in PARTS.items():
            await _killed_part_is_restarted(stack, person, part, chosen, verdict)
        await _ctrl_c(stack, verdict)
        for trunk in ("make", "uv", "the supervisor"):
            await _killed_trunk_takes_all_along(stack, person, trunk, verdict)
        await _faults_get_one_message(stack, verdict)


async def _first_start(stack: Stack, verdict: Verdict) -> Person:
    started = time.monotonic()
    stack.start()
    await stack.wait_healthy(FIRST)
    took = time.monotonic() - started
    verdict.check(took < FIRST, "the first healthy answer comes within 120 s of `make dev` in a clone", f"{took:.1f} s")
    await asyncio.sleep(1)
    for place in ("/docs", "/dev/mailbox", stack.url, "demo@example.com", stack.demo_password):
        verdict.check(place in stack.said, "the output tells where things are", _hidden(place, stack))
    async with stack.client() as http:
        docs = (await http.get("/docs")).status_code
        verdict.check(docs == 200, "the documentation is there", docs)
        demo = Person(http, "demo@example.com", stack.demo_password)
        verdict.check((await demo.login()).status_code == 200, "the demo sign-in works")
        return await signed_up(http)


def _hidden(place: str, stack: Stack) -> str:
    return "the demo password" if place == stack.demo_password else place


async def _ctrl_c(stack: Stack, verdict: Verdict) -> None:
    stack.interrupt()
    took, left = await stack.wait_gone(GONE)
    verdict.check(not left, "Ctrl-C: every process is gone within 10 s", left or f"{took:.1f} s")
    await stack.stop()


async def _second_start(stack: Stack, person: Person, verdict: Verdict) -> None:
    stack.start()
    took = await stack.wait_healthy(60)
    verdict.check(took < SECOND, "a second start answers within 6 s", f"{took:.1f} s")
    await _data_is_there(stack, person, verdict)


async def _data_is_there(stack: Stack, person: Person, verdict: Verdict) -> None:
    async with stack.client() as http:
        again = Person(http, person.email, person.password)
        verdict.check((await again.login()).status_code == 200, "and finds all data")


async def _killed_part_is_restarted(
    stack: Stack, person: Person, part: str, chosen: Callable[[Process], bool], verdict: Verdict
) -> None:
    before = {process.pid: process for process in stack.processes if chosen(process)}
    if not verdict.check(before, f"{part} runs", [process.command[:60] for process in before.values()][:1]):
        return
    before[max(before) if part == "the API server" else min(before)].kill()
    took = await _until_replaced(stack, chosen, set(before))
    verdict.check(took is not None, f"kill -9 of {part}: it is restarted", f"{took or 0:.1f} s")
    await stack.wait_healthy(20)
    verdict.check(await _works(stack, person), "and everything goes on")


async def _until_replaced(stack: Stack, chosen: Callable[[Process], bool], before: set[int]) -> float | None:
    started = time.monotonic()
    while time.monotonic() - started < 20:
        if any(chosen(process) and process.pid not in before for process in stack.processes):
            return time.monotonic() - started
        await asyncio.sleep(0.1)
    return None


async def _works(stack: Stack, person: Person) -> bool:
    """Whether signing in, writing and a job work again within 20 s."""
    limit = time.monotonic() + 20
    async with stack.client() as http:
        while time.monotonic() < limit:
            again = Person(http, person.email, person.password)
            if (await again.login()).status_code == 200:
                made = await again.send("POST", "/app/projects", {"name": "After a kill"})
                newcomer = Person(http)
                await newcomer.register()
                return made.status_code == 201 and len(await newcomer.mails(1, seconds=40)) == 1
            await asyncio.sleep(0.2)
    return False


async def _killed_trunk_takes_all_along(stack: Stack, person: Person, trunk: str, verdict: Verdict) -> None:
    stack.start()
    await stack.wait_healthy(60)
    victim = _trunk(stack.processes, trunk)
    if victim is None:
        verdict.check(False, f"{trunk} is among the processes", [process.command[:70] for process in stack.processes])
    else:
        victim.kill()
        took, left = await stack.wait_gone(GONE)
        verdict.check(not left, f"kill -9 of {trunk}: nothing is left within 10 s", left or f"{took:.1f} s")
    await stack.stop()
    stack.start()
    await stack.wait_healthy(60)
    await _data_is_there(stack, person, verdict)
    await _ctrl_c(stack, verdict)


def _trunk(processes: list[Process], name: str) -> Process | None:
    def fits(process: Process) -> bool:
        words = [Path(word).name for word in process.command.split()[:4]]
        if name == "the supervisor":
            return "undercroft" in words and "dev" in words and "uv" not in words
        return bool(words) and words[0] == name

    return next((process for process in processes if fits(process)), None)


async def _faults_get_one_message(stack: Stack, verdict: Verdict) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.port))
        taken.listen()
        _refuses(stack, "a taken port", str(stack.port), verdict)
    environment_file = stack.folder / ".env"
    environment_file.write_bytes(b"\x00\xff not = a setting\n=\n")
    _refuses(stack, "a corrupt .env", ".env", verdict)
    environment_file.unlink()
    nowhere = "postgresql://nobody:secret-of-nobody@127.0.0.1:9/nothing"
    _refuses(stack, "an unreachable DATABASE_URL", "DATABASE_URL", verdict, DATABASE_URL=nowhere)
    if os.geteuid() == 0:
        verdict.note("a read-only folder cannot be tried as root: nothing is read-only to root")
        return
    stack.folder.chmod(0o555)
    _refuses(stack, "a read-only folder", str(stack.folder), verdict)
    stack.folder.chmod(0o755)


def _refuses(stack: Stack, fault: str, named: str, verdict: Verdict, **extra: str) -> None:
    done = stack.run("make", "dev", f"PORT={stack.port}", timeout=60, **extra)
    said = done.stdout + done.stderr
    clear = named in said and "Traceback" not in said and "secret-of-nobody" not in said
    verdict.check(done.returncode != 0 and clear, f"{fault}: one clear message, exit code not 0", said.strip()[-300:])
