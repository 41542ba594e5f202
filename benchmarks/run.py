"""The whole benchmark, one thing after another so that nothing disturbs what is measured."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks import database, figures, rounds, signing_in, startup, wrk
from benchmarks.floor_target import FloorTarget
from benchmarks.machine import describe, number_from, stay_off_the_servers_core, worker_memory
from benchmarks.ours import OurTarget
from benchmarks.report import Figure
from benchmarks.rounds import Pairs
from benchmarks.targets import Running
from benchmarks.wrk import Call

COUNTED = 100
MANY = "me of many teams"


@dataclass(frozen=True)
class Plan:
    """How long and how often. `rounds` are seconds; `jobs` are drained in each of `repeats` turns."""

    runs: int = 2
    seconds: float = 10
    rounds: int = 3
    repeats: int = 5
    jobs: int = 5_000
    addresses: int = 40


FULL = Plan()
QUICK = Plan(runs=1, seconds=2, rounds=2, repeats=2, jobs=2_000, addresses=20)


class Benchmark:
    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say

    async def run(self) -> dict[str, Sequence[Figure]]:
        """Everything. Raises `BenchmarkFault` when something cannot be measured."""
        wrk.require_wrk()
        stay_off_the_servers_core()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="undercroft-bench-")))
            url = stack.enter_context(database.embedded())
            await self._prepare(url, folder)
            started = startup.to_first_answer(self._ours, self._plan.repeats)
            self._say(f"start {min(started):.2f} to {max(started):.2f} s")
            return await self._measure(started)

    async def _prepare(self, url: str, folder: Path) -> None:
        self._say("filling the tables")
        await database.execute(url, "CREATE DATABASE floor")
        self._floor_url = url.rsplit("/", 1)[0] + "/floor"
        self._floor = FloorTarget(self._floor_url, folder)
        self._ours = OurTarget(url, folder)
        self._counts = database.StatementCount(self._ours.database, self._ours.roles.app)
        await self._floor.fill()
        await self._ours.fill()

    async def _measure(self, started: Sequence[float]) -> dict[str, Sequence[Figure]]:
        runs: list[dict[str, Pairs]] = []
        memory: list[float] = []
        others: list[Figure] = []
        for number in range(self._plan.runs):
            self._say(f"run {number + 1} of {self._plan.runs}")
            with self._floor.serve() as floor, self._ours.serve() as ours:
                if number == 0:
                    others += figures.statements(await self._statements(ours))
                runs.append(
                    await rounds.measure(
                        (self._floor, floor), (self._ours, ours), self._plan.seconds, self._say, self._plan.rounds
                    )
                )
                memory.append(worker_memory(ours.group))
                if number == self._plan.runs - 1:
                    others.append(self._many_memberships(ours))
                    sign_in = await self._sign_in(ours)
        others = [figures.tail(runs), *others, figures.start(started), self._imports(), figures.memory(memory)]
        others += [self._layer(), self._drain()]
        return {
            "Requests per second, as a share of the floor": figures.shares(runs),
            "Other": others,
            "Signing in": sign_in,
            "With TENANT_RLS=on, as a share of the floor": await self._with_row_security(),
        }

    async def _with_row_security(self) -> Sequence[Figure]:
        """Last of all: the policies stay up."""
        self._say("TENANT_RLS=on")
        self._ours.secure_rows()
        runs = []
        for number in range(self._plan.runs):
            with self._floor.serve() as floor, self._ours.serve() as ours:
                if number == 0:
                    counted = await self._statements(ours)
                pair = ((self._floor, floor), (self._ours, ours))
                seconds, times = self._plan.seconds, self._plan.rounds
                runs.append(await rounds.measure(*pair, seconds, self._say, times, figures.SECURED))
        return figures.with_row_security(runs, counted)

    async def _statements(self, ours: Running) -> dict[str, float]:
        """What the database counted per request, over so many requests one after another."""
        counted: dict[str, float] = {}
        with httpx.Client(trust_env=False) as http:
            for endpoint in figures.STATEMENTS:
                call = ours.calls[endpoint]
                _send(http, call, 20)
                await self._counts.reset()
                _send(http, call, COUNTED)
                counted[endpoint] = round(await self._counts.calls() / COUNTED, 1)
        await self._ours.tidy()
        self._say(f"statements {counted}")
        return counted

    def _many_memberships(self, ours: Running) -> Figure:
        """In many short turns, each way round as often: what else the machine does is larger than the difference."""
        shares = []
        for number in range(round(self._plan.rounds * self._plan.seconds / 2)):
            calls = ("me", MANY) if number % 2 else (MANY, "me")
            rates = {call: wrk.run(ours.calls[call], 1).rate for call in calls}
            shares.append(rates[MANY] / rates["me"])
        return figures.many_memberships(shares)

    async def _sign_in(self, ours: Running) -> Sequence[Figure]:
        health = ours.calls["health"]
        address = health.url.removesuffix("/health")
        emails = [f"u{number}@example.com" for number in range(self._plan.addresses)]
        round_, logins = await signing_in.health_beside_logins(address, health, emails, self._plan.seconds)
        known, unknown = signing_in.medians(address, emails)
        return figures.sign_in(round_.p99, logins, known, unknown)

    def _imports(self) -> Figure:
        self._say("imports")
        return figures.imports(*startup.import_shares(self._ours.environment, self._plan.repeats))

    def _layer(self) -> Figure:
        self._say("feature layer")
        return figures.layer(number_from(["-m", "benchmarks.layer"], self._ours.environment))

    def _drain(self) -> Figure:
        self._say("job drain")
        ours, floor = [], []
        for _ in range(self._plan.repeats):
            count = str(self._plan.jobs)
            floor.append(number_from(["-m", "benchmarks.floor_jobs", count], {"FLOOR_DATABASE_URL": self._floor_url}))
            ours.append(number_from(["-m", "benchmarks.our_jobs", count], self._ours.environment))
        return figures.drain(ours, floor)


def preface(plan: Plan) -> list[str]:
    """How it was measured, for the record."""
    return [
        f"{describe()}. One server worker on core 0; wrk with {wrk.CONNECTIONS} connections and PostgreSQL on core 1.",
        (
            f"{plan.runs} runs of {plan.rounds} rounds of {plan.seconds:g} s, floor and application in turns; medians. "
            "Only ratios carry over to other machines."
        ),
    ]


def _send(http: httpx.Client, call: Call, times: int) -> None:
    for _ in range(times):
        http.request(call.method, call.url, headers=call.headers, content=call.body).raise_for_status()
