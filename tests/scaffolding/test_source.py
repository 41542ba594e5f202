"""`undercroft new --from`: where a project gets Undercroft from."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from undercroft import __version__
from undercroft.core.errors import ConfigurationError
from undercroft.scaffolding import create_project, source

ROOT = Path(__file__).parents[2]


def uv_table(folder: Path, given: str | None) -> dict[str, Any]:
    create_project(folder / "shop", given, [])
    project = tomllib.loads((folder / "shop" / "pyproject.toml").read_text())
    assert project["project"]["dependencies"] == [f"undercroft[standard]>={__version__}"]
    table: dict[str, Any] = project["tool"]["uv"]
    assert table.pop("package") is False
    return table


def test_folder_with_wheels_becomes_an_explicit_index(tmp_path: Path) -> None:
    wheels = tmp_path / 'my "dist"'
    wheels.mkdir()
    (wheels / "undercroft-0.1.0-py3-none-any.whl").touch()
    assert uv_table(tmp_path, str(wheels)) == {
        "sources": {"undercroft": {"index": "wheels"}},
        "index": [{"name": "wheels", "url": str(wheels), "format": "flat", "explicit": True}],
    }


def test_wheel_and_checkout_are_referred_to_by_path(tmp_path: Path) -> None:
    wheel = tmp_path / "undercroft-0.1.0-py3-none-any.whl"
    wheel.touch()
    assert uv_table(tmp_path / "a", str(wheel)) == {"sources": {"undercroft": {"path": str(wheel)}}}
    expected = {"sources": {"undercroft": {"path": str(ROOT), "editable": True}}}
    assert uv_table(tmp_path / "b", str(ROOT)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("git+https://example.com/undercroft", {"git": "https://example.com/undercroft"}),
        ("git+https://example.com/undercroft@v1", {"git": "https://example.com/undercroft", "rev": "v1"}),
        ("git+file:///srv/u.git@fix/it", {"git": "file:///srv/u.git", "rev": "fix/it"}),
        ("https://example.com/u.git", {"git": "https://example.com/u.git"}),
        ("https://example.com/u.git@v1", {"git": "https://example.com/u.git", "rev": "v1"}),
        ("git+ssh://git@example.com/u.git@v1", {"git": "ssh://git@example.com/u.git", "rev": "v1"}),
        ("git@example.com:acme/u.git", {"git": "ssh://git@example.com/acme/u.git"}),
        (
            "https://example.com/undercroft-1-py3-none-any.whl",
            {"url": "https://example.com/undercroft-1-py3-none-any.whl"},
        ),
    ],
)
def test_url_of_git_or_a_wheel(tmp_path: Path, given: str, expected: dict[str, str]) -> None:
    assert uv_table(tmp_path, given) == {"sources": {"undercroft": expected}}
    needs_git = "git" in expected
    assert (
        "apt-get install -y --no-install-recommends git" in (tmp_path / "shop" / "Dockerfile").read_text()
    ) is needs_git


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        (None, {}),
        ("not json", {}),
        ('{"url": "file:///gone/undercroft-0.1.0-py3-none-any.whl"}', {}),
        (
            '{"url": "https://e.com/u.git", "vcs_info": {"commit_id": "abc"}}',
            {"git": "https://e.com/u.git", "rev": "abc"},
        ),
        (f'{{"url": "file://{ROOT}", "dir_info": {{"editable": true}}}}', {"path": str(ROOT), "editable": True}),
    ],
    ids=["index", "corrupt", "gone", "git", "checkout"],
)
def test_default_is_the_source_of_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct_url: str | None, expected: dict[str, Any]
) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            return direct_url if name == "direct_url.json" else None

    monkeypatch.setattr(source, "distribution", lambda _name: Installed())
    assert uv_table(tmp_path, None) == ({"sources": {"undercroft": expected}} if expected else {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "contains no wheel of Undercroft"),
        ("missing", "does not exist"),
        ("empty", "contains no wheel of Undercroft"),
        ("empty/other-1-py3-none-any.whl", "contains no wheel of Undercroft"),
        ("https://example.com/simple", "is not the URL of a wheel"),
        ("git+", "is not a Git URL"),
        ("git+https://", "is not a Git URL"),
        ("git+https://ada:token@example.com/u.git", "contains a password"),
        ("https://ada:token@example.com/undercroft-1-py3-none-any.whl", "contains a password"),
    ],
)
def test_invalid_source_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "other-1-py3-none-any.whl").touch()
    with pytest.raises(ConfigurationError, match=message) as refused:
        create_project(tmp_path / "shop", given, [])
    assert "token" not in str(refused.value)
    assert not (tmp_path / "shop").exists()
