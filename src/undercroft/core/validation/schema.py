"""The base of what comes in and goes out."""

from pydantic import BaseModel, ConfigDict


class Schema(BaseModel):
    """A pydantic model whose validator is built at its first use, so that a start does not wait for all of them."""

    model_config = ConfigDict(defer_build=True)
