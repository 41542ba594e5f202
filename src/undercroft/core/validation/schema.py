"""Base class of request and response schemas."""

from pydantic import BaseModel, ConfigDict


class Schema(BaseModel):
    """A pydantic model that builds its validator on first use, which shortens the startup."""

    model_config = ConfigDict(defer_build=True)
