"""Demo data of the modules."""

from undercroft.app.registry import get_registry
from undercroft.core.db import Database


async def seed_all(database: Database) -> list[str]:
    """Run `seed` of all modules, in their order, in one transaction; returns the names of the modules that have one.

    Seeds are idempotent: a second run changes nothing.
    """
    seeded = []
    async with database.session() as session:
        for module in get_registry().modules:
            part = module.load_submodule("seeds")
            if part is not None:
                await part.seed(session)
                seeded.append(module.name)
    return seeded
