"""Counts of teams."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import FromClause
from sqlmodel import col

from undercroft.core.statistics import DAY, Count, Statistics, count_rows
from undercroft.modules.teams.models import Team


class TeamStatistics(Statistics):
    section = "teams"

    total: Count = Field(description="Teams that are not deleted, including personal teams.")
    personal: Count = Field(description="Personal teams that are not deleted.")
    deleted: Count = Field(description="Deleted teams that are not purged yet.")
    new_30_days: Count = Field(description="Teams created in the last 30 days.")

    @classmethod
    def query(cls, now: datetime) -> FromClause:
        active = col(Team.deleted_at).is_(None)
        return count_rows(
            Team,
            total=active,
            personal=active & col(Team.personal_user_id).is_not(None),
            deleted=col(Team.deleted_at).is_not(None),
            new_30_days=active & (col(Team.created_at) > now - 30 * DAY),
        )
