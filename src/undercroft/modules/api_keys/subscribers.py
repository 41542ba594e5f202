"""Reactions of API keys to events of users, and notifications of key owners."""

from collections.abc import Sequence
from uuid import UUID

from undercroft.core.audit import Entry, on_action
from undercroft.core.auth.permissions import PermissionsRemoved
from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.api_keys.repository import ApiKeyRepository
from undercroft.modules.teams import MembershipRepository, TeamRole
from undercroft.modules.users import CredentialsRevoked, UserDeleted, notify

ACTION_LABELS = {"api_key.created": "created", "api_key.changed": "widened", "api_key.rotated": "rotated"}
"""Word for each action in the email."""


@on_action(*ACTION_LABELS)
async def notify_key_owners(session: Session, entry: Entry) -> None:
    """Email the user or the team's owners about a key that is new, rotated or has more access."""
    key = await ApiKeyRepository(session).find(entry.target_id) if entry.target_id else None
    if key is None or (entry.action == "api_key.changed" and not entry.details.get("widened")):
        return
    for user_id in await _owners(session, key):
        await notify(session, user_id, "api_keys/api_key_changed", change=ACTION_LABELS[entry.action], key=key.name)


async def _owners(session: Session, key: ApiKey) -> Sequence[UUID]:
    if key.user_id is not None:
        return [key.user_id]
    assert key.team_id is not None
    return await MembershipRepository(session).users_with_role(key.team_id, TeamRole.OWNER)


@subscribe(CredentialsRevoked)
async def revoke_keys(session: Session, event: CredentialsRevoked) -> None:
    """Delete the API keys of a user whose credentials may be compromised."""
    event.counts["keys_revoked"] = await ApiKeyRepository(session).delete_for_user(event.user_id)


@subscribe(PermissionsRemoved)
async def remove_scopes(session: Session, event: PermissionsRemoved) -> None:
    """Remove the permissions from the scopes of all keys."""
    await ApiKeyRepository(session).remove_scopes(event.names)


@subscribe(UserDeleted)
async def delete_keys(session: Session, event: UserDeleted) -> None:
    """Delete the keys of a deleted user. Keys that the user created for a team stay."""
    await ApiKeyRepository(session).delete_for_user(event.user_id)
