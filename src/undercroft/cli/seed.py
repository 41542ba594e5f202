"""`undercroft seed`: demo data."""

import asyncio

import typer


def seed() -> None:
    """Make the modules' demo data; what is there already stays as it is."""
    done = asyncio.run(_seed())
    typer.echo(f"Seeded {', '.join(done)}." if done else "No module has demo data.")


async def _seed() -> list[str]:
    from undercroft.app.seeds import seed_all
    from undercroft.core.db import Database, DatabaseSettings
    from undercroft.core.settings import load

    database = Database(load(DatabaseSettings))
    try:
        return await seed_all(database)
    finally:
        await database.close()
