"""Counts of API keys."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import FromClause
from sqlmodel import col

from undercroft.core.statistics import DAY, Count, Statistics, count_rows
from undercroft.modules.api_keys.models import ApiKey


class ApiKeyStatistics(Statistics):
    section = "api_keys"

    total: Count = Field(description="API keys, including expired ones.")
    used_30_days: Count = Field(description="API keys used in the last 30 days.")

    @classmethod
    def query(cls, now: datetime) -> FromClause:
        return count_rows(ApiKey, total=None, used_30_days=col(ApiKey.last_used_at) > now - 30 * DAY)
