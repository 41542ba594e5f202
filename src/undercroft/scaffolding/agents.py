"""The generated part of a project's AGENTS.md, which states the facts of the installed Undercroft for coding agents."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

from undercroft import __version__
from undercroft.core.errors import ConfigurationError
from undercroft.lint.checker import RULES
from undercroft.lint.contract import MODULE_FILES
from undercroft.scaffolding.rendering import render

PAGE = Path("AGENTS.md")
BEGIN, END = "<!-- undercroft: begin -->", "<!-- undercroft: end -->"


def agents_values(commands: Iterable[str]) -> dict[str, str]:
    """The values of the template of AGENTS.md; `commands` are the names of the commands."""
    return {
        "installed": __version__,
        "commands": _paragraph([f"Commands, described by `--help`: {', '.join(commands)}."]),
        "files": _paragraph(f"`{name}`: {content}." for name, content in MODULE_FILES.items()),
        "rules": _paragraph(f"{rule[0].upper()}{rule[1:]}." for rule in RULES.values()),
    }


def update_agents(page: Path, commands: Iterable[str]) -> str:
    """Return the text of the page with its part between the markers generated again; all other text is unchanged.

    Without a file, the result is a complete page. Raises `ConfigurationError` if the markers are missing or repeated.
    """
    new = render("agents", agents_values(commands))[PAGE.name]
    if not page.is_file():
        return new
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigurationError(
            f"{page} needs the lines {BEGIN} and {END} once each, around the generated part. Add them where it "
            "belongs, and run the command again."
        )
    generated = new[new.index(BEGIN) : new.index(END)]
    return f"{text[: text.index(BEGIN)]}{generated}{text[text.index(END) :]}"


def _paragraph(sentences: Iterable[str]) -> str:
    return textwrap.fill(" ".join(sentences), 150, break_long_words=False, break_on_hyphens=False)
