"""Counts of rooms and bookings in the platform statistics."""

from datetime import datetime

from extensions.example.models import Booking
from pydantic import Field
from sqlalchemy import FromClause
from sqlmodel import col

from undercroft.core.statistics import Count, Statistics, count_rows


class BookingStatistics(Statistics):
    section = "example"

    bookings: Count = Field(description="Bookings, including past ones that are not deleted yet.")
    upcoming: Count = Field(description="Bookings that have not started yet.")

    @classmethod
    def query(cls, now: datetime) -> FromClause:
        return count_rows(Booking, bookings=None, upcoming=col(Booking.starts_at) > now)
