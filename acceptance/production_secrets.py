"""Scenario 9: production refuses to start with weak secrets, and no secret of a client is logged."""

from pathlib import Path

from acceptance.report import ScenarioReport
from acceptance.stack import Stack
from acceptance.users import used_secrets

WEAK_SETTINGS = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "changeme",
    "DATABASE_URL": "postgresql://app:password@127.0.0.1:9/app",
    "PUBLIC_URL": "http://localhost:8000",
    "EMAIL_PROVIDER": "mailbox",
}
EXPECTED_NAMES = ("SECRET_KEY", "PUBLIC_URL", "EMAIL_PROVIDER")


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    _refuses_without(stack, report)
    _refuses_weak(stack, report)
    _logs_are_clean(stack, report)


def _refuses_without(stack: Stack, report: ScenarioReport) -> None:
    done = stack.undercroft("serve", "--port", "1", timeout=60, ENVIRONMENT="production")
    output = done.stdout + done.stderr
    report.check(done.returncode != 0, "production without secrets refuses to start", done.returncode)
    missing = [name for name in ("SECRET_KEY", "DATABASE_URL") if name not in output]
    report.check(
        not missing and "Traceback" not in output, "and names what is missing", missing or output.strip()[-400:]
    )


def _refuses_weak(stack: Stack, report: ScenarioReport) -> None:
    done = stack.undercroft("serve", "--port", "1", timeout=60, **WEAK_SETTINGS)
    output = done.stdout + done.stderr
    report.check(done.returncode != 0, "production with weak secrets refuses to start", done.returncode)
    unnamed = [name for name in EXPECTED_NAMES if name not in output]
    report.check(
        not unnamed, "one message names all of them", f"not named: {unnamed} in {output[-400:]}" if unnamed else ""
    )
    report.check("changeme" not in output, "without repeating them")


def _logs_are_clean(stack: Stack, report: ScenarioReport) -> None:
    secrets = {*used_secrets, *_strings(stack.state)} - {stack.demo_password}
    secrets = {secret for secret in secrets if len(secret) >= 12 and not secret.startswith(("http://", "/"))}
    found = [f"{path.name}" for path in _logs(stack) if any(secret in _read(path) for secret in secrets)]
    report.check(not found, "no secret in any log line", found or f"{len(secrets)} secrets, {len(_logs(stack))} logs")


def _strings(value: object) -> set[str]:
    if isinstance(value, dict):
        return {string for item in value.values() for string in _strings(item)}
    if isinstance(value, list):
        return {string for item in value for string in _strings(item)}
    return {value} if isinstance(value, str) else set()


def _logs(stack: Stack) -> list[Path]:
    kept = stack.folder / ".undercroft"
    return [stack.log, *(path for path in kept.rglob("*.log*") if path.is_file())]


def _read(path: Path) -> str:
    return path.read_text(errors="replace")
