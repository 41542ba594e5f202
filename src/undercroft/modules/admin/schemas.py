"""Response schemas of `/admin`."""

from datetime import date, datetime
from typing import Any

from pydantic import ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from undercroft.core.context import current_context
from undercroft.core.statistics import Count, DailyCounts, StatisticsSections
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


class DailySeries(Schema):
    """A count for each day."""

    section: str = Field(description="Section of the statistics.", examples=["users"])
    name: str = Field(description="Name of the count in its section.", examples=["registered"])
    counts: list[Count] = Field(description="The counts, in the order of the days.", examples=[[3, 0, 5]])


class DailyStatistics(Schema):
    """Counts of the last 30 days in UTC, up to now."""

    days: list[date] = Field(
        description="The days, earliest first.", examples=[["2026-11-19", "2026-11-20", "2026-11-21"]]
    )
    series: list[DailySeries] = Field(description="The counts of each module.")

    @classmethod
    def of(cls, counts: DailyCounts) -> "DailyStatistics":
        series = [
            DailySeries(section=section, name=name, counts=numbers)
            for (section, name), numbers in counts.counts.items()
        ]
        return cls(days=counts.days, series=series)
