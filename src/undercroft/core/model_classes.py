"""The classes that are mapped to tables."""

from collections.abc import Iterator

from sqlmodel import SQLModel


def model_classes(base: type[SQLModel] = SQLModel) -> Iterator[type[SQLModel]]:
    """Every class that is mapped to a table, in the order of their definition."""
    for each in base.__subclasses__():
        if hasattr(each, "__table__"):
            yield each
        yield from model_classes(each)
