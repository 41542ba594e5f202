"""How long it takes to be there: from start to the first healthy answer, and the imports alone."""

from collections.abc import Mapping
from statistics import median

from benchmarks.machine import number_from
from benchmarks.targets import Target

TIMED = "import time; started = time.perf_counter(); {}; print(time.perf_counter() - started)"
MINIMAL = "import benchmarks.minimal"
OURS = "from undercroft.app.api import offline_app; offline_app()"


def to_first_answer(target: Target, times: int) -> list[float]:
    """Seconds from starting the server to its first healthy answer, database running."""
    seconds = []
    for _ in range(times):
        with target.serve() as running:
            seconds.append(running.seconds_to_start)
    return seconds


def import_shares(environment: Mapping[str, str], times: int) -> tuple[list[float], float]:
    """The whole application, assembled, as shares of a minimal one's import, in turns; and our seconds."""
    for program in (MINIMAL, OURS):
        _timed(program, environment)
    pairs = [(_timed(MINIMAL, environment), _timed(OURS, environment)) for _ in range(times)]
    return [ours / minimal for minimal, ours in pairs], median(ours for _, ours in pairs)


def _timed(program: str, environment: Mapping[str, str]) -> float:
    return number_from(["-c", TIMED.format(program)], environment)
