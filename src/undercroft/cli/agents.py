"""`undercroft agents`: AGENTS.md, the facts for coding agents."""

from typing import Annotated

import typer

from undercroft.cli._generated import refuse_both, update_files


def agents(
    write: Annotated[bool, typer.Option("--write", help="Write AGENTS.md instead of printing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if AGENTS.md is outdated.")] = False,
) -> None:
    """Print AGENTS.md for the installed Undercroft. Text outside of its two markers is yours and is not changed.

    Run it with --write after an upgrade.
    """
    from undercroft.cli._run import command_names
    from undercroft.scaffolding.agents import PAGE, update_agents

    refuse_both(write=write, check=check)
    update_files({PAGE: update_agents(PAGE, command_names())}, "undercroft agents", write=write, check=check)
