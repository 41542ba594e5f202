"""The data file of releases, and the comparison of settings."""

import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version

from undercroft import __version__
from undercroft.app.upgrade.releases import load_releases, releases_after
from undercroft.app.upgrade.setting_changes import compare_settings

ROOT = Path(__file__).parents[3]


def test_newest_release_is_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert load_releases()[0].version == __version__ == project == version("undercroft")


def test_releases_are_sorted_and_only_the_last_one_may_be_unreleased() -> None:
    versions = [Version(each.version) for each in load_releases()]
    assert versions == sorted(set(versions), reverse=True)
    assert all(each.date for each in load_releases()[1:])
    assert [each.version for each in releases_after("0.1.0")][-1] == __version__


def test_setting_changes_are_described() -> None:
    found = compare_settings({"A": "1", "B": "", "C": "x"}, {"A": "2", "C": "x", "D": ""}, assigned=["b"])
    assert [str(each) for each in found] == [
        "`A` default changed from `1` to `2`",
        "`B` removed",
        "`D` added, default empty",
    ]
    assert [each.is_set for each in found] == [False, True, False]
