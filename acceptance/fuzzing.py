"""Scenario 7: API fuzzing with schemathesis, anonymous and signed in."""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from acceptance.report import ScenarioReport
from acceptance.stack import Stack, running_stack
from acceptance.users import sign_up

EXAMPLES = int(os.environ.get("ACCEPTANCE_EXAMPLES", "100"))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,allow_header_conformance"
)
MINUTES = 20


@dataclass
class FuzzResult:
    """The output of a run of schemathesis and the counted responses."""

    code: int
    output: str
    statuses: dict[int, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)

    @property
    def responses(self) -> int:
        return sum(self.statuses.values())

    @property
    def rate_limited(self) -> float:
        return self.statuses.get(429, 0) / max(1, self.responses)


async def run_scenario(report: ScenarioReport) -> None:
    """Fuzz an own stack without rate limits, which would refuse most requests to sign-in routes."""
    async with running_stack(RATE_LIMIT_SCALE="1000000") as stack:
        async with stack.client() as http:
            user = await sign_up(http)
        callers = {
            "not signed in": ("", "", ()),
            "signed in": (user.email, user.password, ()),
            "as administrator": ("admin@example.com", stack.demo_password, ("--include-path-regex", "/admin/")),
        }
        for who, (email, password, options) in callers.items():
            result = await _fuzz(stack, email, password, options)
            _check_result(who, result, report)
        await stack.wait_healthy(5)


def _check_result(who: str, result: FuzzResult, report: ScenarioReport) -> None:
    server_errors = sum(count for status, count in result.statuses.items() if status >= 500)
    report.check(result.responses, f"{who}: schemathesis ran", f"{result.responses} responses {_sorted(result)}")
    report.check(not server_errors, f"{who}: no 5xx", result.broken or 0)
    report.check(result.rate_limited < 0.01, f"{who}: under 1% are 429", f"{result.rate_limited:.2%}")
    if not report.check(result.code == 0, f"{who}: every response matches the schema", f"exit code {result.code}"):
        report.note(_failures(result.output))


def _sorted(result: FuzzResult) -> dict[int, int]:
    return dict(sorted(result.statuses.items()))


def _failures(output: str) -> str:
    start = re.search(r"^=+ (FAILURES|ERRORS) =+$", output, re.MULTILINE)
    return output[start.start() :][:6000] if start else output[-3000:]


async def _fuzz(stack: Stack, email: str, password: str, options: tuple[str, ...]) -> FuzzResult:
    with TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        environment = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": "acceptance.fuzz_auth",
            "FUZZ_EMAIL": email,
            "FUZZ_PASSWORD": password,
            "FUZZ_URL": stack.url,
            "FUZZ_COUNTS": str(counts),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        run = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("st")), "run", f"{stack.url}/openapi.json", "--url", stack.url),
            *("--checks", CHECKS, "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"),
            *("--no-shrink", "--warnings", "off", "--generation-database", "none"),
            *options,
            env=environment,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(run.communicate(), MINUTES * 60)
        seen = json.loads(counts.read_text()) if counts.exists() else {"statuses": {}, "broken": {}}
    statuses = {int(status): count for status, count in seen["statuses"].items()}
    return FuzzResult(run.returncode or 0, output.decode(errors="replace"), statuses, seen["broken"])
