"""Counts of sessions."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import FromClause, func
from sqlmodel import col

from undercroft.core.statistics import DAY, Count, DailyCount, Statistics, count_rows
from undercroft.modules.sessions.models import AuthSession


class SessionStatistics(Statistics):
    section = "sessions"

    active: Count = Field(description="Sessions that are neither expired nor revoked.")
    seen_24_hours: Count = Field(description="Sessions used in the last 24 hours.")
    users_24_hours: Count = Field(description="Distinct users with a session used in the last 24 hours.")

    @classmethod
    def daily(cls) -> dict[str, DailyCount]:
        """Sessions are deleted 30 days after they ended, so that the last 30 days are complete."""
        own = col(AuthSession.impersonator_id).is_(None)
        return {"users_signed_in": DailyCount(col(AuthSession.created_at), (own,), distinct=col(AuthSession.user_id))}

    @classmethod
    def query(cls, now: datetime) -> FromClause:
        active = col(AuthSession.revoked_at).is_(None) & (col(AuthSession.expires_at) > now)
        seen = col(AuthSession.last_seen_at) > now - DAY
        users = func.count(col(AuthSession.user_id).distinct()).filter(seen).label("users_24_hours")
        return count_rows(AuthSession, extra=(users,), active=active, seen_24_hours=seen)
