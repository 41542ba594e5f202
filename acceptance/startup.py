"""Scenario 1: one command starts everything, Ctrl-C stops it, and killed processes restart or leave nothing behind."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from acceptance.processes import Process
from acceptance.report import ScenarioReport
from acceptance.stack import Stack, cloned_stack
from acceptance.users import UserClient, sign_up

FIRST_START_SECONDS, SECOND_START_SECONDS, STOP_SECONDS = 120, 6, 10
PROCESS_MATCHERS: dict[str, Callable[[Process], bool]] = {
    "the API server": lambda process: "undercroft" in process.command and "serve" in process.command.split(),
    "the worker": lambda process: "undercroft" in process.command and "worker" in process.command.split(),
    "PostgreSQL": lambda process: "postgres" in process.command and " -D " in process.command,
    "Valkey": lambda process: "valkey-server" in process.command,
}


async def run_scenario(report: ScenarioReport) -> None:
    async with cloned_stack() as stack:
        person = await _first_start(stack, report)
        await _ctrl_c(stack, report)
        await _second_start(stack, person, report)
        for part, chosen in PROCESS_MATCHERS.items():
            await _check_restart_after_kill(stack, person, part, chosen, report)
        await _ctrl_c(stack, report)
        for parent in ("make", "uv", "the supervisor"):
            await _check_parent_kill(stack, person, parent, report)
        await _check_error_messages(stack, report)


async def _first_start(stack: Stack, report: ScenarioReport) -> UserClient:
    started = time.monotonic()
    stack.start()
    await stack.wait_healthy(FIRST_START_SECONDS)
    took = time.monotonic() - started
    report.check(
        took < FIRST_START_SECONDS,
        "the server is healthy within 120 s of `make dev` in a clone",
        f"{took:.1f} s",
    )
    await asyncio.sleep(1)
    for place in ("/docs", "/dev/mailbox", f"http://localhost:{stack.port}", "demo@example.com", stack.demo_password):
        report.check(place in stack.output, "the output contains all URLs and credentials", _redact(place, stack))
    async with stack.client() as http:
        docs = (await http.get("/docs")).status_code
        report.check(docs == 200, "the documentation is there", docs)
        demo = UserClient(http, "demo@example.com", stack.demo_password)
        report.check((await demo.login()).status_code == 200, "the demo sign-in works")
        return await sign_up(http)


def _redact(place: str, stack: Stack) -> str:
    return "the demo password" if place == stack.demo_password else place


async def _ctrl_c(stack: Stack, report: ScenarioReport) -> None:
    stack.interrupt()
    took, left = await stack.wait_gone(STOP_SECONDS)
    report.check(not left, "Ctrl-C: every process is gone within 10 s", left or f"{took:.1f} s")
    await stack.stop()


async def _second_start(stack: Stack, person: UserClient, report: ScenarioReport) -> None:
    stack.start()
    took = await stack.wait_healthy(60)
    report.check(took < SECOND_START_SECONDS, "a second start is healthy within 6 s", f"{took:.1f} s")
    await _check_data(stack, person, report)


async def _check_data(stack: Stack, person: UserClient, report: ScenarioReport) -> None:
    async with stack.client() as http:
        again = UserClient(http, person.email, person.password)
        report.check((await again.login()).status_code == 200, "and finds all data")


async def _check_restart_after_kill(
    stack: Stack, person: UserClient, part: str, chosen: Callable[[Process], bool], report: ScenarioReport
) -> None:
    before = {process.pid: process for process in stack.processes if chosen(process)}
    if not report.check(before, f"{part} runs", [process.command[:60] for process in before.values()][:1]):
        return
    before[max(before) if part == "the API server" else min(before)].kill()
    took = await _wait_until_replaced(stack, chosen, set(before))
    report.check(took is not None, f"kill -9 of {part}: it is restarted", f"{took or 0:.1f} s")
    await stack.wait_healthy(20)
    report.check(await _is_working(stack, person), "and everything goes on")


async def _wait_until_replaced(stack: Stack, chosen: Callable[[Process], bool], before: set[int]) -> float | None:
    started = time.monotonic()
    while time.monotonic() - started < 20:
        if any(chosen(process) and process.pid not in before for process in stack.processes):
            return time.monotonic() - started
        await asyncio.sleep(0.1)
    return None


async def _is_working(stack: Stack, person: UserClient) -> bool:
    """Return whether sign-in, writing and jobs work again within 20 s."""
    limit = time.monotonic() + 20
    async with stack.client() as http:
        while time.monotonic() < limit:
            again = UserClient(http, person.email, person.password)
            if (await again.login()).status_code == 200:
                made = await again.send("POST", "/app/projects", {"name": "After a kill"})
                newcomer = UserClient(http)
                await newcomer.register()
                return made.status_code == 201 and len(await newcomer.mails(1, seconds=40)) == 1
            await asyncio.sleep(0.2)
    return False


async def _check_parent_kill(stack: Stack, person: UserClient, parent: str, report: ScenarioReport) -> None:
    stack.start()
    await stack.wait_healthy(60)
    victim = _find_parent(stack.processes, parent)
    if victim is None:
        report.check(False, f"{parent} is among the processes", [process.command[:70] for process in stack.processes])
    else:
        victim.kill()
        took, left = await stack.wait_gone(STOP_SECONDS)
        report.check(not left, f"kill -9 of {parent}: nothing is left within 10 s", left or f"{took:.1f} s")
    await stack.stop()
    stack.start()
    await stack.wait_healthy(60)
    await _check_data(stack, person, report)
    await _ctrl_c(stack, report)


def _find_parent(processes: list[Process], name: str) -> Process | None:
    def fits(process: Process) -> bool:
        words = [Path(word).name for word in process.command.split()[:4]]
        if name == "the supervisor":
            return "undercroft" in words and "dev" in words and "uv" not in words
        return bool(words) and words[0] == name

    return next((process for process in processes if fits(process)), None)


async def _check_error_messages(stack: Stack, report: ScenarioReport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.port))
        taken.listen()
        _check_refusal(stack, "a taken port", str(stack.port), report)
    environment_file = stack.folder / ".env"
    environment_file.write_bytes(b"\x00\xff not = a setting\n=\n")
    _check_refusal(stack, "a corrupt .env", ".env", report)
    environment_file.unlink()
    nowhere = "postgresql://me:my-db-secret@127.0.0.1:9/nothing"
    _check_refusal(stack, "an unreachable DATABASE_URL", "DATABASE_URL", report, DATABASE_URL=nowhere)
    if os.geteuid() == 0:
        report.note("a read-only folder cannot be tried as root: nothing is read-only to root")
        return
    stack.folder.chmod(0o555)
    _check_refusal(stack, "a read-only folder", str(stack.folder), report)
    stack.folder.chmod(0o755)


def _check_refusal(stack: Stack, error: str, named: str, report: ScenarioReport, **extra: str) -> None:
    done = stack.run("make", "dev", f"PORT={stack.port}", timeout=60, **extra)
    output = done.stdout + done.stderr
    clear = named in output and "Traceback" not in output and "my-db-secret" not in output
    report.check(done.returncode != 0 and clear, f"{error}: one clear message, exit code not 0", output.strip()[-300:])
