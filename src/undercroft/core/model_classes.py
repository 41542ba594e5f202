"""The classes that are mapped to tables."""

import re
from collections.abc import Callable, Iterator

from msgspec import Struct
from sqlmodel import SQLModel

from undercroft.core.context import current_context

SECRET_NAME = re.compile(r"hash|secret|token|passw|sealed|private|credential|signature|recovery|cookie|public_key|salt")
"""Matches the names of columns that are never shown unless a declaration says so."""


class ForeignModels(Struct, frozen=True):
    """The models of extensions that only other applications in this process have, also of those imported later.

    `is_foreign` decides it for a model.
    """

    is_foreign: Callable[[type[SQLModel]], bool]


def model_classes(base: type[SQLModel] = SQLModel) -> Iterator[type[SQLModel]]:
    """Every class of the current application that is mapped to a table, in the order of their definition."""
    foreign = current_context().find(ForeignModels)
    return (model for model in all_model_classes(base) if foreign is None or not foreign.is_foreign(model))


def all_model_classes(base: type[SQLModel] = SQLModel) -> Iterator[type[SQLModel]]:
    """Every class in this process that is mapped to a table."""
    for each in base.__subclasses__():
        if hasattr(each, "__table__"):
            yield each
        yield from all_model_classes(each)
