"""The complete benchmark, run sequentially so that measurements do not disturb each other."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2 as httpx

from benchmarks import database, figures, login_load, rounds, startup, wrk
from benchmarks.app_target import AppTarget
from benchmarks.floor_target import FloorTarget
from benchmarks.machine import describe, pin_to_other_core, run_and_read_number, worker_memory
from benchmarks.report import Figure
from benchmarks.rounds import Pairs
from benchmarks.targets import RunningServer
from benchmarks.wrk import Call

COUNTED_REQUESTS = 100
MANY_TEAMS = "me of many teams"


@dataclass(frozen=True)
class Plan:
    """Durations and repetitions. `rounds` are seconds; `jobs` are drained in each of `repeats` repetitions."""

    runs: int = 2
    seconds: float = 10
    rounds: int = 3
    repeats: int = 5
    jobs: int = 5_000
    addresses: int = 40


FULL = Plan()
QUICK = Plan(runs=1, seconds=2, rounds=2, repeats=2, jobs=2_000, addresses=20)


class Benchmark:
    def __init__(self, plan: Plan, print_progress: Callable[[str], None]) -> None:
        self._plan = plan
        self._print = print_progress

    async def run(self) -> dict[str, Sequence[Figure]]:
        """Run all measurements. Raises `BenchmarkError` if something cannot be measured."""
        wrk.require_wrk()
        pin_to_other_core()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="undercroft-bench-")))
            url = stack.enter_context(database.embedded_postgres())
            await self._prepare(url, folder)
            started = startup.time_to_first_response(self._ours, self._plan.repeats)
            self._print(f"start {min(started):.2f} to {max(started):.2f} s")
            return await self._measure(started)

    async def _prepare(self, url: str, folder: Path) -> None:
        self._print("filling the tables")
        await database.execute(url, "CREATE DATABASE floor")
        self._floor_url = url.rsplit("/", 1)[0] + "/floor"
        self._floor = FloorTarget(self._floor_url, folder)
        self._ours = AppTarget(url, folder)
        self._counts = database.StatementCount(self._ours.database, self._ours.roles.app)
        await self._floor.fill()
        await self._ours.fill()

    async def _measure(self, started: Sequence[float]) -> dict[str, Sequence[Figure]]:
        runs: list[dict[str, Pairs]] = []
        memory: list[float] = []
        others: list[Figure] = []
        for number in range(self._plan.runs):
            self._print(f"run {number + 1} of {self._plan.runs}")
            with self._floor.serve() as floor, self._ours.serve() as ours:
                if number == 0:
                    others += figures.statements(await self._statements(ours))
                runs.append(
                    await rounds.measure(
                        (self._floor, floor), (self._ours, ours), self._plan.seconds, self._print, self._plan.rounds
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
            "With TENANT_RLS=on, as a share of the floor": await self._with_rls(),
        }

    async def _with_rls(self) -> Sequence[Figure]:
        """Runs last, because the policies stay enabled."""
        self._print("TENANT_RLS=on")
        self._ours.enable_rls()
        runs = []
        for number in range(self._plan.runs):
            with self._floor.serve() as floor, self._ours.serve() as ours:
                if number == 0:
                    counted = await self._statements(ours)
                pair = ((self._floor, floor), (self._ours, ours))
                seconds, times = self._plan.seconds, self._plan.rounds
                runs.append(await rounds.measure(*pair, seconds, self._print, times, figures.RLS_ENDPOINTS))
        return figures.with_rls(runs, counted)

    async def _statements(self, ours: RunningServer) -> dict[str, float]:
        """Count the statements per request over sequential requests."""
        counted: dict[str, float] = {}
        with httpx.Client(trust_env=False) as http:
            for endpoint in figures.STATEMENTS:
                call = ours.calls[endpoint]
                _send(http, call, 20)
                await self._counts.reset()
                _send(http, call, COUNTED_REQUESTS)
                counted[endpoint] = round(await self._counts.calls() / COUNTED_REQUESTS, 1)
        await self._ours.clean_up()
        self._print(f"statements {counted}")
        return counted

    def _many_memberships(self, ours: RunningServer) -> Figure:
        """Alternate in many short rounds with balanced order, because noise of the machine exceeds the difference."""
        shares = []
        for number in range(round(self._plan.rounds * self._plan.seconds / 2)):
            calls = ("me", MANY_TEAMS) if number % 2 else (MANY_TEAMS, "me")
            rates = {call: wrk.run(ours.calls[call], 1).rate for call in calls}
            shares.append(rates[MANY_TEAMS] / rates["me"])
        return figures.many_memberships(shares)

    async def _sign_in(self, ours: RunningServer) -> Sequence[Figure]:
        health = ours.calls["health"]
        address = health.url.removesuffix("/health")
        emails = [f"u{number}@example.com" for number in range(self._plan.addresses)]
        round_, logins = await login_load.health_during_logins(address, health, emails, self._plan.seconds)
        known, unknown = login_load.medians(address, emails)
        return figures.sign_in(round_.p99, logins, known, unknown)

    def _imports(self) -> Figure:
        self._print("imports")
        return figures.imports(*startup.import_shares(self._ours.environment, self._plan.repeats))

    def _layer(self) -> Figure:
        self._print("feature layer")
        return figures.layer(run_and_read_number(["-m", "benchmarks.layer"], self._ours.environment))

    def _drain(self) -> Figure:
        self._print("job drain")
        ours, floor = [], []
        for _ in range(self._plan.repeats):
            count = str(self._plan.jobs)
            floor.append(
                run_and_read_number(["-m", "benchmarks.floor_jobs", count], {"FLOOR_DATABASE_URL": self._floor_url})
            )
            ours.append(run_and_read_number(["-m", "benchmarks.app_jobs", count], self._ours.environment))
        return figures.drain(ours, floor)


def preface(plan: Plan) -> list[str]:
    """Describe the measurement."""
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
