"""Join domains of an earlier release after the upgrade."""

import json

import asyncpg

from undercroft.app.migrations import histories, upgrade_all
from undercroft.core.db import migrations
from undercroft.core.ids import new_id

USER = """
INSERT INTO users (id, email, full_name, locale, timezone, notifications, role, is_active, created_at, updated_at,
    email_verified_at)
VALUES ($1, $2, '', 'en', 'UTC', '{}', 'user', true, now(), now(), CASE WHEN $3 THEN now() END)
"""
TEAM = """
INSERT INTO teams (id, name, slug, created_at, updated_at, auto_join_domains) VALUES ($1, 'Acme', $2, now(), now(), $3)
"""
MEMBER = """
INSERT INTO memberships (id, team_id, user_id, role, created_at, updated_at) VALUES ($1, $2, $3, $4, now(), now())
"""


async def test_domain_is_claimed_only_for_an_owner_with_a_verified_address(migrated_database_url: str) -> None:
    await upgrade_all(migrated_database_url)
    known = {history.name: history for history in histories()}
    await migrations.downgrade(migrated_database_url, known["core"], "0006_known_places")
    connection = await asyncpg.connect(migrated_database_url)
    try:
        owner, member, unverified, team, other = (new_id() for _ in range(5))
        for user_id, email, is_verified in (
            (owner, "a@acme.example", True),
            (member, "b@rival.example", True),
            (unverified, "c@third.example", False),
        ):
            await connection.execute(USER, user_id, email, is_verified)
        domains = ["acme.example", "rival.example", "third.example", "me.example"]
        await connection.execute(TEAM, team, "acme", domains)
        await connection.execute(TEAM, other, "other", ["acme.example"])
        for user_id, role in ((owner, "owner"), (member, "member"), (unverified, "owner")):
            await connection.execute(MEMBER, new_id(), team, user_id, role)
        await upgrade_all(migrated_database_url)
        rows = await connection.fetch("SELECT id, auto_join_claims, auto_join_domains FROM teams")
        claims = {row[0]: (json.loads(row[1]), row[2]) for row in rows}
        assert claims == {team: ({"acme.example": str(owner)}, domains), other: ({}, ["acme.example"])}
    finally:
        await connection.close()
