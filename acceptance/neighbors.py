"""Scenario 16: a project installs Undercroft beside common packages at their newest versions."""

import asyncio
import re
import shutil
from asyncio.subprocess import PIPE

from acceptance.report import ScenarioReport
from acceptance.stack import REPOSITORY

UNDERCROFT = f"undercroft[identity,standard] @ {REPOSITORY.as_uri()}"
NEIGHBORS = (
    "langchain",
    "langgraph",
    "crewai",
    "instructor",
    "fastapi-users",
    "prefect",
    "apache-airflow",
    "anthropic",
    "authlib",
    "boto3",
    "celery[redis]",
    "dagster-webserver",
    "fastapi-mail",
    "fastapi[standard]",
    "gradio",
    "litellm",
    "llama-index-core",
    "mcp",
    "mlflow",
    "openai",
    "pydantic-ai-slim",
    "sentry-sdk",
    "strawberry-graphql[fastapi]",
    "streamlit",
)


async def run_scenario(report: ScenarioReport) -> None:
    uv = shutil.which("uv")
    assert uv is not None, "uv is not installed"
    for name in NEIGHBORS:
        newest, beside = await asyncio.gather(_resolve(uv, name, name), _resolve(uv, name, name, UNDERCROFT))
        report.check(
            newest == beside, f"{name} {newest} installs beside Undercroft", "" if newest == beside else beside
        )


async def _resolve(uv: str, name: str, *requirements: str) -> str:
    """The version of the package to which these requirements resolve, or the reason why they do not."""
    arguments = ("pip", "compile", "--quiet", "--no-header", "--no-annotate", "-")
    process = await asyncio.create_subprocess_exec(uv, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    resolved, error = await process.communicate("\n".join(requirements).encode())
    found = re.search(rf"^{re.escape(name.partition('[')[0])}==(\S+)", resolved.decode(), re.MULTILINE)
    return found[1] if found else " ".join(error.decode().split())
