"""Rounds of load, alternating between floor and application, so that other load on the machine affects both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks import wrk
from benchmarks.targets import ENDPOINTS, RunningServer, Target
from benchmarks.wrk import Round


@dataclass
class Pairs:
    """The rounds of one endpoint, as pairs of floor and application."""

    floor: list[Round] = field(default_factory=list)
    ours: list[Round] = field(default_factory=list)

    @property
    def shares(self) -> list[float]:
        return [ours.rate / floor.rate for floor, ours in zip(self.floor, self.ours, strict=True)]

    @property
    def share(self) -> float:
        return median(self.shares)

    @property
    def tail(self) -> float:
        """The 99th percentile divided by the median, in the median round of the application."""
        return median(round_.p99 / round_.p50 for round_ in self.ours)


async def measure(
    floor: tuple[Target, RunningServer],
    ours: tuple[Target, RunningServer],
    seconds: float,
    print_progress: Callable[[str], None],
    rounds: int = 3,
    endpoints: Sequence[str] = ENDPOINTS,
) -> dict[str, Pairs]:
    """Run the given number of pairs of rounds for each endpoint."""
    results = {endpoint: Pairs() for endpoint in endpoints}
    for endpoint, pairs in results.items():
        for number in range(1, rounds + 1):
            for (target, running), kept in ((floor, pairs.floor), (ours, pairs.ours)):
                kept.append(wrk.run(running.calls[endpoint], seconds))
                if endpoint == "create":
                    await target.clean_up()
            print_progress(f"{endpoint} {number}/{rounds}: {pairs.shares[-1]:.0%} of {pairs.floor[-1].rate:,.0f}/s")
    return results
