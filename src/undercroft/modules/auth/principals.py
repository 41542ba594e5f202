"""The one statement that tells who is asking: session, person and membership by key, however many teams there are."""

from typing import Any

from sqlalchemy import LargeBinary, Uuid, bindparam, func, select
from sqlmodel import col

from undercroft.core.db import Statement
from undercroft.modules.auth.models import AuthSession, SessionKind
from undercroft.modules.teams import Membership, Team
from undercroft.modules.users import PROFILE, User

_BEARER = (
    col(AuthSession.id) == bindparam("session_id", type_=Uuid),
    col(AuthSession.user_id) == bindparam("user_id", type_=Uuid),
    col(AuthSession.kind) == SessionKind.BEARER.value,
)
_COOKIE = (
    col(AuthSession.cookie_hash) == bindparam("cookie_hash", type_=LargeBinary),
    col(AuthSession.kind) == SessionKind.COOKIE.value,
)
_PERSONAL = col(Team.personal_user_id) == col(User.id)
_NAMED = col(Team.id) == bindparam("team_id", type_=Uuid)


def _principal(*session: Any, team: Any) -> Statement:
    return Statement(
        select(
            *PROFILE,
            col(User.second_factors),
            col(AuthSession.id).label("session_id"),
            col(AuthSession.proven_at),
            col(AuthSession.passed_mfa),
            col(Team.require_mfa),
            col(Membership.team_id),
            col(Membership.role).label("team_role"),
        )
        .select_from(AuthSession)
        .join(User, col(User.id) == col(AuthSession.user_id))
        .outerjoin(Team, team & col(Team.deleted_at).is_(None))
        .outerjoin(Membership, (col(Membership.team_id) == col(Team.id)) & (col(Membership.user_id) == col(User.id)))
        .where(
            *session,
            col(AuthSession.revoked_at).is_(None),
            col(AuthSession.expires_at) > func.now(),
            col(User.is_active),
            col(User.deleted_at).is_(None),
        )
    )


BEARER_PERSONAL = _principal(*_BEARER, team=_PERSONAL)
BEARER_NAMED = _principal(*_BEARER, team=_NAMED)
COOKIE_PERSONAL = _principal(*_COOKIE, team=_PERSONAL)
COOKIE_NAMED = _principal(*_COOKIE, team=_NAMED)
