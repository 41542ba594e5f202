"""Scenario 17: linters accept the OpenAPI document, and clients generated from it compile strictly.

The linters and Hey API's generator run with Node.js from the npm registry, openapi-python-client from PyPI.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from acceptance.report import ScenarioReport
from acceptance.stack import REPOSITORY
from undercroft.scaffolding.client.node import GENERATOR

NODE_PACKAGES = (
    "@stoplight/spectral-cli@6.16.3",
    "@redocly/cli@2.77.0",
    *(
        f"{name}@{version}"
        for name, version in json.loads((GENERATOR / "package.json").read_text())["dependencies"].items()
    ),
)
PYTHON_PACKAGES = ("openapi-python-client==0.29.1", "mypy==2.4.1", "ruff")
EXPECTED_WARNINGS = {
    "info-license": "Only the operator knows the license of an API; the setting API_LICENSE states it.",
    "operation-4xx-response": "The health checks have no input, no credentials and no rate limit, so that none fails.",
    "no-server-example.com": "The development server has the address that a developer's browser uses.",
}
TSCONFIG = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "bundler",
        "lib": ["ES2022", "DOM", "DOM.Iterable"],
    },
    "include": ["typescript", "program.ts"],
}
TYPESCRIPT_PROGRAM = """\
import { authLogin, projectsCreate, projectsList } from "./typescript";

const credentials = { email: "ada@example.com", password: "three otters in a boat" };
const { data: session } = await authLogin({ body: credentials, throwOnError: true });
const auth = session.access_token ?? undefined;
const { data: project } = await projectsCreate({ auth, body: { name: "Website" }, throwOnError: true });
const { data: projects } = await projectsList({ auth, query: { sort: "-created_at" }, throwOnError: true });
const names: string[] = [project.name, session.user.full_name, ...projects.items.map((each) => each.name)];
console.log(names);
"""
PYTHON_PROGRAM = """\
from undercroft_client import AuthenticatedClient, Client
from undercroft_client.api.auth import auth_login
from undercroft_client.api.projects import projects_create
from undercroft_client.models import ProjectCreate, ProjectRead, SignInRequest, SignInResponse

URL = "http://127.0.0.1:8000"
signed_in = auth_login.sync(client=Client(URL), body=SignInRequest("ada@example.com", "three otters in a boat"))
assert isinstance(signed_in, SignInResponse)
client = AuthenticatedClient(URL, signed_in.access_token or "")
project = projects_create.sync(client=client, body=ProjectCreate(name="Website"))
assert isinstance(project, ProjectRead)
names: list[str] = [project.name, signed_in.user.full_name]
print(names)
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


async def run_scenario(report: ScenarioReport) -> None:
    with tempfile.TemporaryDirectory(prefix="undercroft-clients-") as name:
        folder = Path(name)

        def run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, cwd=folder, env={**os.environ, **more}, capture_output=True, text=True, timeout=600
            )

        _write_document(folder, report)
        _check_python_client(run, folder, report)
        if shutil.which("npm") is None:
            report.note("Skipped the linters and the TypeScript client: install Node.js 20 or newer.")
            return
        installed = run("npm", "install", "--no-audit", "--no-fund", *NODE_PACKAGES)
        if _succeeds(installed, "npm installs the linters and Hey API's generator", report):
            _check_spectral(run, folder, report)
            _check_redocly(run, report)
            _check_typescript_client(run, folder, report)


def _write_document(folder: Path, report: ScenarioReport) -> None:
    command = [str(Path(sys.executable).with_name("undercroft")), "openapi", "--out", str(folder / "openapi.json")]
    environment = {**os.environ, "ENABLED_EXTENSIONS": "example"}
    written = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120)
    _succeeds(written, "the document is written", report)


def _succeeds(done: subprocess.CompletedProcess[str], claim: str, report: ScenarioReport) -> bool:
    passed = report.check(done.returncode == 0, claim)
    if not passed:
        report.note((done.stdout + done.stderr)[-3000:])
    return passed


def _check_python_client(run: Run, folder: Path, report: ScenarioReport) -> None:
    bin_folder = folder / "venv" / "bin"
    run(sys.executable, "-m", "venv", "venv")
    installed = run(str(bin_folder / "python"), "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES)
    if not _succeeds(installed, "pip installs openapi-python-client", report):
        return
    generator = str(bin_folder / "openapi-python-client")
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    generated = run(generator, "generate", "--path", "openapi.json", "--output-path", "python", PATH=path)
    _succeeds(generated, "openapi-python-client generates a client", report)
    report.check("Warning" not in generated.stdout, "without warnings", generated.stdout[-500:].strip())
    (folder / "python" / "program.py").write_text(PYTHON_PROGRAM)
    typed = run(
        str(bin_folder / "mypy"), "--strict", "python/undercroft_client", "python/program.py", MYPYPATH="python"
    )
    _succeeds(typed, "mypy accepts the client and a program strictly", report)


def _check_spectral(run: Run, folder: Path, report: ScenarioReport) -> None:
    (folder / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    found = run("npx", "spectral", "lint", "openapi.json", "--format", "json", "--quiet", "--fail-severity", "hint")
    report.check(found.returncode == 0, "spectral's recommended rules find nothing")
    if found.returncode:
        report.note(found.stdout[:3000] + found.stderr[:500])


def _check_redocly(run: Run, report: ScenarioReport) -> None:
    options = ("--extends", "recommended", "--format", "json", "--max-problems", "1000")
    problems = json.loads(run("npx", "redocly", "lint", *options, "openapi.json").stdout)["problems"]
    errors = [each["message"] for each in problems if each["severity"] == "error"]
    report.check(not errors, "redocly's recommended rules find no error", errors[:5] or 0)
    warnings = Counter(each["ruleId"] for each in problems if each["severity"] != "error")
    unexpected = {rule: count for rule, count in warnings.items() if rule not in EXPECTED_WARNINGS}
    report.check(not unexpected, "each of its warnings has a reason", unexpected or dict(warnings))
    for rule in warnings.keys() & EXPECTED_WARNINGS.keys():
        report.note(f"{rule}: {EXPECTED_WARNINGS[rule]}")


def _check_typescript_client(run: Run, folder: Path, report: ScenarioReport) -> None:
    generated = run("npx", "openapi-ts", "-i", "openapi.json", "-o", "typescript", "-c", "@hey-api/client-fetch")
    _succeeds(generated, "Hey API generates a client", report)
    (folder / "tsconfig.json").write_text(json.dumps(TSCONFIG))
    (folder / "program.ts").write_text(TYPESCRIPT_PROGRAM)
    _succeeds(run("npx", "tsc"), "TypeScript accepts the client and a program strictly", report)
