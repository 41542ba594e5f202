"""`undercroft extension add`: install a package with uv and enable it, or change nothing."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from base64 import urlsafe_b64encode
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cli.command_runner import CommandResult, run_command

UV = os.environ.get("UV") or shutil.which("uv") or ""
MODULE = '"""Rooms."""\n\nfrom undercroft.core import Module\n\nMODULE = Module({arguments})\n'
PROJECT = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n\n[tool.uv]\npackage = false\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose environment has the packages of the tests, so that uv downloads nothing."""
    assert UV, "These tests need uv: run them by `make test`."
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(f"{PROJECT}\n[tool.undercroft]\nenabled_extensions = []\n")
    subprocess.run([UV, "venv", "--quiet", "--offline", "--python", sys.executable, ".venv"], cwd=folder, check=True)
    (site,) = (folder / ".venv" / "lib").glob("*/site-packages")
    ours = sysconfig.get_path("purelib")
    (site / "tests.pth").write_text(f"{ours}\nimport site; site.addsitedir({ours!r})\n")
    return folder


def build_wheel(folder: Path, name: str, *, is_extension: bool = True, arguments: str = "") -> Path:
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": MODULE.format(arguments=arguments),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if is_extension:
        files[f"{info}/entry_points.txt"] = f"[undercroft.modules]\n{name} = {name}\n"
    digests = {path: urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode() for path, text in files.items()}
    lines = [f"{path},sha256={digests[path].rstrip('=')},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def add(project: Path, source: str | Path) -> CommandResult:
    return run_command("extension", "add", str(source), folder=project, UV=UV, UV_OFFLINE="1")


def installed(project: Path) -> set[str]:
    return {path.name for path in (project / ".venv").rglob("*.dist-info")}


def test_extension_is_installed_and_enabled(project: Path) -> None:
    wheel = build_wheel(project.parent, "motel")
    result = add(project, wheel)
    assert (result.code, "Added and enabled motel." in result.out) == (0, True), result.output
    written = tomllib.loads((project / "pyproject.toml").read_text())
    assert written["project"]["dependencies"] == ["motel"]
    assert written["tool"]["undercroft"]["enabled_extensions"] == ["motel"]
    assert installed(project) == {"motel-1.0.dist-info"}
    again = add(project, wheel)
    assert (again.code, "is installed already. Extensions in this environment: motel" in again.err) == (2, True)
    assert tomllib.loads((project / "pyproject.toml").read_text()) == written


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("library", {"is_extension": False}, "is not an extension of Undercroft: it has no entry point in the group"),
        ("motel", {"arguments": 'undercroft=">=99"'}, "The extension motel supports Undercroft >=99"),
        ("motel", {"arguments": 'requires=("pool",)'}, "requires pool, which does not exist"),
        ("projects", {}, "has the name of a built-in module"),
    ],
    ids=["library", "version", "requirement", "name"],
)
def test_what_cannot_be_enabled_is_uninstalled_again(
    project: Path, name: str, options: dict[str, object], message: str
) -> None:
    before = {path: path.read_bytes() for path in project.iterdir() if path.is_file()}
    result = add(project, build_wheel(project.parent, name, **options))  # type: ignore[arg-type]
    assert (result.code, message in result.err) == (2, True), result.output
    assert {path: path.read_bytes() for path in project.iterdir() if path.is_file()} == before
    assert installed(project) == set()


@pytest.mark.parametrize("source", ["missing.whl", "--index=x", "acme-hotel-that-is-nowhere"])
def test_error_of_uv_is_shown(project: Path, source: str) -> None:
    before = (project / "pyproject.toml").read_text()
    result = run_command("extension", "add", "--", source, folder=project, UV=UV, UV_OFFLINE="1")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert len(result.err.splitlines()) > 0
    assert (project / "pyproject.toml").read_text() == before


def test_command_needs_a_project(tmp_path: Path) -> None:
    result = run_command("extension", "add", "acme-hotel", folder=tmp_path, UV=UV)
    assert (result.code, "Run it in the folder of a project." in result.err) == (2, True)
