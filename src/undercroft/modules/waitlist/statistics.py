"""Counts of the waiting list."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import FromClause
from sqlmodel import col

from undercroft.core.statistics import Count, Statistics, count_rows
from undercroft.modules.waitlist.models import WaitlistEntry, WaitlistState


class WaitlistStatistics(Statistics):
    section = "waitlist"

    waiting: Count = Field(description="Entries of the waiting list that are not invited.")
    invited: Count = Field(description="Invited entries without an account, also with an expired invitation.")
    registered: Count = Field(description="Entries whose address has an account now.")

    @classmethod
    def query(cls, now: datetime) -> FromClause:  # noqa: ARG003
        state = col(WaitlistEntry.state)
        return count_rows(
            WaitlistEntry,
            waiting=state == WaitlistState.WAITING.value,
            invited=state == WaitlistState.INVITED.value,
            registered=state == WaitlistState.REGISTERED.value,
        )
