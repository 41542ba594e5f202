"""Jobs of teams: one for each team, and no email about a team or to a user that no longer exists."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.modules.auth.users import Mailbox
from tests.modules.teams.requests import TEAMS, make_team
from undercroft.core.db import Database
from undercroft.core.ids import new_id
from undercroft.jobs import CurrentJob, enqueue, task
from undercroft.modules.teams import enqueue_for_each_team
from undercroft.modules.teams.tasks import send_notification
from undercroft.testing.jobs import CapturedJobs


@task(name="tests.report")
async def report(job: CurrentJob, *, team_id: UUID, month: int) -> None:
    """Write nothing: the test reads the arguments of the jobs."""


async def enqueue_reports(database: Database, month: int) -> int:
    async with database.session() as session:
        return await enqueue_for_each_team(session, report, month=month)


async def test_each_team_gets_a_job_unless_it_has_an_unfinished_one(
    database: Database, jobs: CapturedJobs, create_user: Any
) -> None:
    user = await create_user()
    team, deleted = await make_team(user.client), await make_team(user.client, name="Gone")
    assert (await user.client.delete(f"{TEAMS}/{deleted['id']}")).status_code == 204

    assert await enqueue_reports(database, 1) == 2

    reports = [job for job in jobs.captured if job.task == report.name]
    assert {job.args["team_id"] for job in reports} == {str(user.team_id), team["id"]}
    assert {job.args["month"] for job in reports} == {1}
    async with database.session() as session:
        await session.execute(
            text("UPDATE jobs SET status = 'succeeded', finished_at = now() WHERE id = :id"), {"id": reports[0].id}
        )
    await enqueue_reports(database, 2)
    async with database.session() as session:
        query = text("SELECT args ->> 'team_id', args ->> 'month' FROM jobs WHERE task = :task ORDER BY created_at")
        rows = (await session.execute(query, {"task": report.name})).all()
    finished, other = [job.args["team_id"] for job in reports]
    assert sorted(map(tuple, rows)) == sorted([(finished, "1"), (other, "1"), (finished, "2")])


@pytest.mark.parametrize("missing", ["user", "inactive", "team", "about"])
async def test_notification_is_skipped_without_its_user_team_or_subject(
    database: Database, jobs: CapturedJobs, create_user: Any, mailbox: Mailbox, missing: str
) -> None:
    user, other = await create_user(), await create_user()
    arguments: dict[str, Any] = {
        "user_id": user.user_id,
        "template": "teams/team_joined",
        "team_id": user.team_id,
        "about": other.user_id,
        "domains": ["acme.example"],
    }
    async with database.session() as session:
        sent = await enqueue(session, send_notification, **arguments)
        if missing == "inactive":
            await session.execute(text("UPDATE users SET is_active = false WHERE id = :id"), {"id": other.user_id})
            arguments["user_id"] = other.user_id
        else:
            arguments[missing if missing == "about" else f"{missing}_id"] = new_id()
        skipped = await enqueue(session, send_notification, **arguments)
    await jobs.run_all()
    assert [(await jobs.get(job.id)).status for job in (sent, skipped)] == ["succeeded", "succeeded"]
    assert [mail.to for mail in await mailbox.list_new()] == [user.email]
