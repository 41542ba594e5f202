"""`undercroft seed`: create demo data."""

import typer

from undercroft.cli._database import with_database

ATTACHES = True


def seed() -> None:
    """Create the demo data of all modules. Existing data is not changed."""
    from undercroft.app.seeding import seed_all

    done = with_database(seed_all)
    typer.echo(f"Seeded {', '.join(done)}." if done else "No module has demo data.")
