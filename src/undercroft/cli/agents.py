"""`undercroft agents`: AGENTS.md, the facts for coding agents."""

from typing import Annotated

import typer


def agents(
    write: Annotated[bool, typer.Option("--write", help="Write AGENTS.md instead of printing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if AGENTS.md is outdated.")] = False,
) -> None:
    """Print AGENTS.md for the installed Undercroft. Text outside of its two markers is yours and is not changed.

    Run it with --write after an upgrade.
    """
    from undercroft.cli._run import command_names
    from undercroft.scaffolding.agents import PAGE, update_agents

    if write and check:
        raise typer.BadParameter("--write and --check cannot be combined.")
    text = update_agents(PAGE, command_names())
    if check:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            typer.echo(f"{PAGE} is outdated. Run `undercroft agents --write`.", err=True)
            raise typer.Exit(1)
        typer.echo(f"{PAGE} is up to date.")
    elif write:
        PAGE.write_text(text, encoding="utf-8")
        typer.echo(f"Wrote {PAGE}.")
    else:
        typer.echo(text, nl=False)
