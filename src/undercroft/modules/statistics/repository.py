"""Platform statistics in one statement."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, select, true
from sqlmodel import col

from undercroft.core.auth import PlatformRole
from undercroft.core.db import ReadSession
from undercroft.jobs.models import Job, JobStatus
from undercroft.modules.api_keys import ApiKey
from undercroft.modules.auth import AuthSession
from undercroft.modules.teams import Team
from undercroft.modules.users import User

DAY = timedelta(days=1)


class StatisticsRepository:
    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def count(self, now: datetime) -> dict[str, dict[str, int]]:
        """Return all counts of one snapshot, by table and name."""
        tables: dict[str, FromClause] = {
            "users": _users(now),
            "teams": _teams(now),
            "sessions": _sessions(now),
            "api_keys": _api_keys(now),
            "jobs": _jobs(now),
        }
        columns = [column.label(f"{name}.{column.name}") for name, table in tables.items() for column in table.c]
        together = reduce(lambda left, right: left.join(right, true()), tables.values())
        row: Any = (await self._session.execute(select(*columns).select_from(together))).mappings().one()
        found: dict[str, dict[str, int]] = {name: {} for name in tables}
        for label, value in row.items():
            table, _, name = label.partition(".")
            found[table][name] = value
        return found


def _users(now: datetime) -> FromClause:
    since = col(User.created_at)
    return _count_rows(
        User,
        col(User.deleted_at).is_(None),
        total=None,
        active=col(User.is_active).is_(True),
        unverified=col(User.email_verified_at).is_(None),
        two_step=func.cardinality(col(User.second_factors)) > 0,
        administrators=col(User.role) != PlatformRole.USER.value,
        new_7_days=since > now - 7 * DAY,
        new_30_days=since > now - 30 * DAY,
    )


def _teams(now: datetime) -> FromClause:
    active = col(Team.deleted_at).is_(None)
    return _count_rows(
        Team,
        total=active,
        personal=active & col(Team.personal_user_id).is_not(None),
        deleted=col(Team.deleted_at).is_not(None),
        new_30_days=active & (col(Team.created_at) > now - 30 * DAY),
    )


def _sessions(now: datetime) -> FromClause:
    usable = col(AuthSession.revoked_at).is_(None) & (col(AuthSession.expires_at) > now)
    seen = col(AuthSession.last_seen_at) > now - DAY
    users = func.count(col(AuthSession.user_id).distinct()).filter(seen).label("people_24_hours")
    return _count_rows(AuthSession, extra=(users,), living=usable, seen_24_hours=seen)


def _api_keys(now: datetime) -> FromClause:
    return _count_rows(ApiKey, total=None, used_30_days=col(ApiKey.last_used_at) > now - 30 * DAY)


def _jobs(now: datetime) -> FromClause:
    by_status: dict[str, Any] = {status.value: col(Job.status) == status.value for status in JobStatus}
    failed = (col(Job.status) == JobStatus.FAILED.value) & (col(Job.finished_at) > now - DAY)
    return _count_rows(Job, failed_24_hours=failed, **by_status)


def _count_rows(
    model: Any, *where: ColumnElement[bool], extra: Sequence[Any] = (), **counts: ColumnElement[bool] | None
) -> FromClause:
    """Select one row of counts: for each condition the rows that match it, or all rows for None."""
    columns = [
        (func.count() if condition is None else func.count().filter(condition)).label(name)
        for name, condition in counts.items()
    ]
    return select(*columns, *extra).select_from(model).where(*where).subquery()
