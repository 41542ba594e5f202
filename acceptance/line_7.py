"""Line 7: schemathesis over the whole schema, signed in and not."""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from acceptance.people import signed_up
from acceptance.stack import Stack
from acceptance.verdict import Verdict

EXAMPLES = int(os.environ.get("ACCEPTANCE_EXAMPLES", "100"))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,allow_header_conformance"
)
MINUTES = 20


@dataclass
class Outcome:
    """What one run of schemathesis said and what was answered to it."""

    code: int
    output: str
    statuses: dict[int, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())

    @property
    def limited(self) -> float:
        return self.statuses.get(429, 0) / max(1, self.answers)


async def prove(stack: Stack, verdict: Verdict) -> None:
    async with stack.client() as http:
        somebody = await signed_up(http)
    people = {
        "not signed in": ("", "", ()),
        "signed in": (somebody.email, somebody.password, ()),
        "as administrator": ("admin@example.com", stack.demo_password, ("--include-path-regex", "/admin/")),
    }
    for who, (email, password, options) in people.items():
        outcome = await _fuzz(stack, email, password, options)
        _judge(who, outcome, verdict)
    await stack.wait_healthy(5)


def _judge(who: str, outcome: Outcome, verdict: Verdict) -> None:
    server_errors = sum(count for status, count in outcome.statuses.items() if status >= 500)
    verdict.check(outcome.answers, f"{who}: schemathesis ran", f"{outcome.answers} answers {_sorted(outcome)}")
    verdict.check(not server_errors, f"{who}: no 5xx", outcome.broken or 0)
    verdict.check(outcome.limited < 0.01, f"{who}: under 1% are 429", f"{outcome.limited:.2%}")
    if not verdict.check(outcome.code == 0, f"{who}: every answer matches the schema", f"exit code {outcome.code}"):
        verdict.note(_failures(outcome.output))


def _sorted(outcome: Outcome) -> dict[int, int]:
    return dict(sorted(outcome.statuses.items()))


def _failures(output: str) -> str:
    start = re.search(r"^=+ (FAILURES|ERRORS) =+$", output, re.MULTILINE)
    return output[start.start() :][:6000] if start else output[-3000:]


async def _fuzz(stack: Stack, email: str, password: str, options: tuple[str, ...]) -> Outcome:
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
    return Outcome(run.returncode or 0, output.decode(errors="replace"), statuses, seen["broken"])
