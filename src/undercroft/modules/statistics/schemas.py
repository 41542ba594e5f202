"""Counts over HTTP."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from undercroft.core.validation import Schema

Count = Annotated[int, Field(ge=0)]


class UserCounts(Schema):
    total: Count
    active: Count = Field(description="Those who may come in.")
    unverified: Count = Field(description="Those whose address does not count as proven.")
    two_step: Count = Field(description="Those with a second factor.")
    administrators: Count
    new_7_days: Count
    new_30_days: Count


class TeamCounts(Schema):
    total: Count = Field(description="Living teams, personal ones included.")
    personal: Count
    deleted: Count = Field(description="Those that could be restored.")
    new_30_days: Count


class SessionCounts(Schema):
    living: Count = Field(description="Those that can still be used.")
    seen_24_hours: Count
    people_24_hours: Count = Field(description="How many people were seen.")


class ApiKeyCounts(Schema):
    total: Count
    used_30_days: Count


class JobCounts(Schema):
    by_status: dict[str, Count]
    failed_24_hours: Count


class Statistics(Schema):
    users: UserCounts
    teams: TeamCounts
    sessions: SessionCounts
    api_keys: ApiKeyCounts
    jobs: JobCounts
    counted_at: datetime
