"""README, CONTRIBUTING and the documentation mention only existing commands, files and settings."""

import re
from pathlib import Path

import pytest

from undercroft.cli._run import FOLDER

ROOT = Path(__file__).parents[1]
OVERVIEWS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES = [*OVERVIEWS, *sorted((ROOT / "docs").rglob("*.md"))]
PROJECT_MAKEFILE = ROOT / "src" / "undercroft" / "scaffolding" / "templates" / "project" / "Makefile.jinja"
COMMANDS = {path.stem.replace("_", "-") for path in FOLDER.glob("[!_]*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_images_exist(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_mentioned_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    makefiles = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "Makefile", PROJECT_MAKEFILE))
    targets = set(re.findall(r"^([a-z-]+):", makefiles, re.MULTILINE))
    assert set(re.findall(r"(?:^|`|\$ )make ([a-z-]+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^|`|run |\$ )undercroft ([a-z-]+)", text, re.MULTILINE)) <= COMMANDS


def test_command_table_is_complete() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Commands")[2].partition("\n## ")[0]
    named = {words.split()[0] for row in table.splitlines() for words in re.findall(r"`([a-z -]+)`", row)}
    assert named >= COMMANDS


def test_mentioned_folders_and_settings_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in OVERVIEWS)
    folders = re.findall(r"`(src/undercroft/[a-z/]+?)/?`", text)
    assert folders
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    settings = set(re.findall(r"`([A-Z][A-Z_]+_[A-Z_]*[A-Z])`", text))
    assert [name for name in settings if f"# {name}=" not in example] == []


def test_images_are_small() -> None:
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, picture.name
