"""Response schemas of statistics."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from undercroft.core.validation import Schema

Count = Annotated[int, Field(ge=0)]


class UserCounts(Schema):
    total: Count
    active: Count = Field(description="Users who may sign in.")
    unverified: Count = Field(description="Users without a verified email address.")
    two_step: Count = Field(description="Users with a second factor.")
    administrators: Count
    new_7_days: Count
    new_30_days: Count


class TeamCounts(Schema):
    total: Count = Field(description="Teams that are not deleted, including personal teams.")
    personal: Count
    deleted: Count = Field(description="Deleted teams that are not purged yet.")
    new_30_days: Count


class SessionCounts(Schema):
    living: Count = Field(description="Sessions that are neither expired nor revoked.")
    seen_24_hours: Count
    people_24_hours: Count = Field(description="Distinct users with a session used in the last 24 hours.")


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
