"""The amount of test data, equal for the floor and the application."""

import random
from collections.abc import Sequence
from typing import TypeVar

OWNED = 1_000
OTHERS = 100_000
BODY = '{"name": "A project", "description": "Made by the benchmark."}'

T = TypeVar("T")


def spread(exact: dict[T, int], others: Sequence[T], count: int) -> list[T]:
    """Return the owner of each row, in a random but reproducible order."""
    chance = random.Random(20261101)
    owners = [owner for owner, rows in exact.items() for _ in range(rows)]
    owners += chance.choices(others, k=count)
    chance.shuffle(owners)
    return owners
