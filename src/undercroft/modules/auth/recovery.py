"""Revokes all access to an account when its owner recovers it, including access that an attacker created."""

from uuid import UUID

from undercroft.core.db import Session
from undercroft.core.events import publish
from undercroft.modules.api_keys import ApiKeyRepository
from undercroft.modules.auth.repository import MailTokenRepository
from undercroft.modules.auth.sessions import revoke_sessions
from undercroft.modules.users import SignInsRevoked


async def revoke_access(session: Session, user_id: UUID) -> dict[str, int]:
    """Revoke all sign-ins and API keys of a user. Returns the numbers of sessions and keys, for the audit log.

    API keys of teams stay valid.
    """
    sessions = await revoke_sign_ins(session, user_id)
    return {"sessions": sessions, "keys": await ApiKeyRepository(session).delete_for_user(user_id)}


async def revoke_sign_ins(session: Session, user_id: UUID) -> int:
    """Revoke all sessions, links, codes and pending sign-ins of a user. Returns the number of sessions."""
    sessions = await revoke_sessions(session, user_id)
    await MailTokenRepository(session).revoke_links(user_id)
    await publish(session, SignInsRevoked(user_id))
    return sessions
