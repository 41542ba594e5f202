"""Counts of users."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import FromClause, func
from sqlmodel import col

from undercroft.core.auth import PlatformRole
from undercroft.core.statistics import DAY, Count, DailyCount, Statistics, count_rows
from undercroft.modules.users.models import User


class UserStatistics(Statistics):
    section = "users"

    total: Count = Field(description="Users whose account is not deleted.")
    active: Count = Field(description="Users who may sign in.")
    unverified: Count = Field(description="Users without a verified email address.")
    mfa: Count = Field(description="Users with a second factor.")
    administrators: Count = Field(description="Users with an administrator role.")
    new_7_days: Count = Field(description="Users who registered in the last 7 days.")
    new_30_days: Count = Field(description="Users who registered in the last 30 days.")

    @classmethod
    def daily(cls) -> dict[str, DailyCount]:
        return {"registered": DailyCount(col(User.created_at), (col(User.deleted_at).is_(None),))}

    @classmethod
    def query(cls, now: datetime) -> FromClause:
        since = col(User.created_at)
        return count_rows(
            User,
            col(User.deleted_at).is_(None),
            total=None,
            active=col(User.is_active).is_(True),
            unverified=col(User.email_verified_at).is_(None),
            mfa=func.cardinality(col(User.second_factors)) > 0,
            administrators=col(User.role) != PlatformRole.USER.value,
            new_7_days=since > now - 7 * DAY,
            new_30_days=since > now - 30 * DAY,
        )
