"""The classes that are mapped to tables."""

import re
from collections.abc import Iterator

from sqlmodel import SQLModel

from undercroft.core.context import current_context

SECRET_NAME = re.compile(r"hash|secret|token|passw|sealed|private|credential|signature|recovery|cookie|public_key|salt")
"""Matches the names of columns that are never shown unless a declaration says so."""


class ForeignTables(frozenset[str]):
    """The tables of extensions that only other applications in this process have."""


def model_classes(base: type[SQLModel] = SQLModel) -> Iterator[type[SQLModel]]:
    """Every class of the current application that is mapped to a table, in the order of their definition."""
    foreign: frozenset[str] = current_context().find(ForeignTables) or frozenset()
    return (model for model in all_model_classes(base) if str(model.__tablename__) not in foreign)


def all_model_classes(base: type[SQLModel] = SQLModel) -> Iterator[type[SQLModel]]:
    """Every class in this process that is mapped to a table."""
    for each in base.__subclasses__():
        if hasattr(each, "__table__"):
            yield each
        yield from all_model_classes(each)
