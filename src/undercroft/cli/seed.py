"""`undercroft seed`: demo data."""

import typer

from undercroft.cli._database import with_database

ATTACHES = True
"""While `undercroft dev` runs here, this works on its stack."""


def seed() -> None:
    """Make the modules' demo data; what is there already stays as it is."""
    from undercroft.app.seeds import seed_all

    done = with_database(seed_all)
    typer.echo(f"Seeded {', '.join(done)}." if done else "No module has demo data.")
