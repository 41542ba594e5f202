"""Startup time: until the first healthy response, and of the imports alone."""

from collections.abc import Mapping
from statistics import median

from benchmarks.machine import run_and_read_number
from benchmarks.targets import Target

TIMED_PROGRAM = "import time; started = time.perf_counter(); {}; print(time.perf_counter() - started)"
MINIMAL = "import benchmarks.minimal"
OURS = "from undercroft.app.api import offline_app; offline_app()"


def time_to_first_response(target: Target, times: int) -> list[float]:
    """Return the seconds from starting the server to its first healthy response, with a running database."""
    seconds = []
    for _ in range(times):
        with target.serve() as running:
            seconds.append(running.seconds_to_start)
    return seconds


def import_shares(environment: Mapping[str, str], times: int) -> tuple[list[float], float]:
    """Return the import time of the application as shares of a minimal one's, alternating, and its seconds."""
    for program in (MINIMAL, OURS):
        _time_import(program, environment)
    pairs = [(_time_import(MINIMAL, environment), _time_import(OURS, environment)) for _ in range(times)]
    return [ours / minimal for minimal, ours in pairs], median(ours for _, ours in pairs)


def _time_import(program: str, environment: Mapping[str, str]) -> float:
    return run_and_read_number(["-c", TIMED_PROGRAM.format(program)], environment)
