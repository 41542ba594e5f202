"""How much data there is: the same for the floor and for the application."""

import random
from collections.abc import Sequence
from typing import TypeVar

OWNED = 1_000
OTHERS = 100_000
BODY = '{"name": "A project", "description": "Made by the benchmark."}'

T = TypeVar("T")


def spread(exact: dict[T, int], others: Sequence[T], count: int) -> list[T]:
    """The owner of each row, mixed as time would mix them, the same on every run."""
    chance = random.Random(20261101)
    owners = [owner for owner, rows in exact.items() for _ in range(rows)]
    owners += chance.choices(others, k=count)
    chance.shuffle(owners)
    return owners
