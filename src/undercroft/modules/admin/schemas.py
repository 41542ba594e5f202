"""Response schemas of `/admin`."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from undercroft.core.context import current_context
from undercroft.core.statistics import StatisticsSections
from undercroft.core.validation import Schema


class PlatformStatistics(Schema):
    """One object of counts per module."""

    model_config = ConfigDict(extra="allow")

    counted_at: datetime = Field(description="Time of the count.")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the sections of the application's modules."""
        described = handler.resolve_ref_schema(handler(schema))
        described["additionalProperties"] = False
        for name, section in current_context().get(StatisticsSections).by_name.items():
            description = f"Counts of the module `{name}`."
            described["properties"][name] = {"description": description, **section.model_json_schema()}
        return described
