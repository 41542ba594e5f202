"""The targets of the design and the figures that are compared with them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks import report
from benchmarks.report import Figure
from benchmarks.rounds import Pairs

MUST = {"health": 0.45, "me": 0.55, "list": 0.50, "create": 0.34}
GOAL = {"health": 0.55, "me": 0.70, "list": 0.65, "create": 0.50}
RIVAL = {"health": "18%", "me": "10%", "list": "9%", "create": "8%"}
LABELS = {"health": "health", "me": "me", "list": "list 20 with total", "create": "create"}
RLS_ENDPOINTS = ("me", "list", "create")
_NO_THRESHOLD: dict[str, Any] = {"must": None, "goal": None, "rival": ""}
STATEMENTS = {"me": (1, 1, "3"), "list": (2, 2, "5"), "create": (2, 2, "7")}


def shares(runs: Sequence[Mapping[str, Pairs]]) -> list[Figure]:
    """Return requests per second as shares of the floor, over all pairs of all runs."""
    return [_share(endpoint, [run[endpoint] for run in runs]) for endpoint in MUST]


def _share(endpoint: str, runs: Sequence[Pairs]) -> Figure:
    all_shares = [share for pairs in runs for share in pairs.shares]
    ours = median(round_.rate for pairs in runs for round_ in pairs.ours)
    floor = median(round_.rate for pairs in runs for round_ in pairs.floor)
    spread = f"{min(all_shares):.0%} to {max(all_shares):.0%} ({ours:,.0f} of {floor:,.0f} per second)"
    return Figure(
        LABELS[endpoint],
        median(all_shares),
        report.percent,
        MUST[endpoint],
        GOAL[endpoint],
        more_is_better=True,
        rival=RIVAL[endpoint],
        spread=spread,
    )


def with_rls(runs: Sequence[Mapping[str, Pairs]], counted: Mapping[str, float]) -> list[Figure]:
    """Return the same figures with TENANT_RLS=on, which have no targets: the cost of row-level security."""
    shares_ = [
        replace(_share(endpoint, [run[endpoint] for run in runs]), **_NO_THRESHOLD) for endpoint in RLS_ENDPOINTS
    ]
    counts = [Figure(f"SQL statements, {LABELS[name]}", counted[name], report.plain) for name in RLS_ENDPOINTS]
    return [*shares_, *counts]


def tail(runs: Sequence[Mapping[str, Pairs]]) -> Figure:
    tails = [round_.p99 / round_.p50 for run in runs for round_ in run["me"].ours]
    return Figure(
        "p99 / p50 at 16 connections, `me`",
        median(tails),
        report.plain,
        3,
        2,
        rival="3 to 5",
        spread=_format_range(tails),
    )


def statements(counted: Mapping[str, float]) -> list[Figure]:
    return [
        Figure(f"SQL statements, {LABELS[name]}", counted[name], report.plain, must, goal, rival=rival)
        for name, (must, goal, rival) in STATEMENTS.items()
    ]


def many_memberships(shares: Sequence[float]) -> Figure:
    return Figure(
        "`me` with 1,000 memberships against 1",
        median(shares),
        report.percent,
        0.95,
        0.98,
        more_is_better=True,
        rival="5%",
        spread=_format_range(shares, report.percent),
    )


def start(seconds: Sequence[float]) -> Figure:
    name = "start to first healthy response, database running"
    spread = _format_range(seconds, report.seconds)
    return Figure(name, median(seconds), report.seconds, 1.5, 1.0, rival="2.35 s", spread=spread)


def imports(shares: Sequence[float], seconds: float) -> Figure:
    name = "import time as a share of a minimal FastAPI + SQLModel app's"
    spread = f"{_format_range(shares, report.percent)} ({seconds:.2f} s)"
    return Figure(name, median(shares), report.percent, 1.30, 1.15, rival="141%", spread=spread)


def memory(megabytes: Sequence[float]) -> Figure:
    name = "memory after load, one worker"
    spread = _format_range(megabytes, report.megabytes)
    return Figure(name, max(megabytes), report.megabytes, 130, 110, rival="109 MB", spread=spread)


def layer(microseconds: float) -> Figure:
    return Figure("whole feature layer, per request", microseconds, report.microseconds, 30, 20, rival="340 us")


def drain(ours: Sequence[float], floor: Sequence[float]) -> Figure:
    shares = [measured / limit for measured, limit in zip(ours, floor, strict=True)]
    spread = f"{_format_range(shares, report.percent)} ({median(ours):,.0f} of {median(floor):,.0f} jobs per second)"
    return Figure(
        "job drain as a share of its floor",
        median(shares),
        report.percent,
        0.14,
        0.25,
        more_is_better=True,
        spread=spread,
    )


def sign_in(health_p99: float, logins: int, known: float, unknown: float) -> list[Figure]:
    return [
        Figure(
            "p99 of `health` under ten parallel sign-ins",
            health_p99,
            report.milliseconds,
            50,
            spread=f"{logins} sign-ins meanwhile",
        ),
        Figure("sign-in for a known address, median", known, report.milliseconds),
        Figure("sign-in for an unknown address, median", unknown, report.milliseconds),
        Figure("how far these two differ", abs(known - unknown) / min(known, unknown), report.percent, 0.10),
    ]


def _format_range(values: Sequence[float], formatter: report.Format = report.plain) -> str:
    return f"{formatter(min(values))} to {formatter(max(values))}"
