"""Factories for tests of tenant isolation."""

from uuid import UUID

from undercroft.testing.attack import Owner


async def get_user_id(owner: Owner) -> UUID:
    return owner.person.user_id


IDS = {"actor": get_user_id}
