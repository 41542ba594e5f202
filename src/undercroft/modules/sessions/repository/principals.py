"""The statement that finds the principal of a request: session, user and membership, by unique keys."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from asyncpg import Record
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    DateTime,
    LargeBinary,
    Select,
    Uuid,
    bindparam,
    exists,
    false,
    func,
    null,
    or_,
    select,
    text,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.db import Database, Session, Statement
from undercroft.core.db.entity_fields import EntityFields, entity_fields
from undercroft.modules.sessions.models import AuthSession, SessionKind
from undercroft.modules.teams import CUSTOM_ROLE_PERMISSIONS, Membership, Team
from undercroft.modules.users import PROFILE_COLUMNS, User, add_extra_fields

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
_REQUESTED = col(Team.id) == bindparam("team_id", type_=Uuid)


_SESSION: Any = (
    col(AuthSession.id).label("session_id"),
    col(AuthSession.reauthenticated_at),
    col(AuthSession.passed_mfa),
    col(AuthSession.impersonator_id),
)
_ACTIVE = (col(AuthSession.revoked_at).is_(None), col(AuthSession.expires_at) > func.now())
_NOT_IMPERSONATED = (*_ACTIVE, col(AuthSession.impersonator_id).is_(None))

_NO_SESSION: Any = (
    null().cast(Uuid).label("session_id"),
    null().cast(DateTime(timezone=True)).label("reauthenticated_at"),
    false().label("passed_mfa"),
    null().cast(Uuid).label("impersonator_id"),
)


UserConditions = Callable[[Any], tuple[ColumnElement[bool], ...]]


def principal_statements(*where: Any, source: Any) -> "TeamStatements":
    """Build statements that find users by a row of another table with a `user_id`, without a local session."""
    fields = entity_fields(User)
    return TeamStatements.from_query(
        lambda team: _principal_query(*where, team=team, source=source, session=_NO_SESSION, fields=fields)
    )


def _principal_query(
    *where: Any,
    team: Any,
    fields: EntityFields | None,
    source: Any = AuthSession,
    session: Sequence[Any] = _SESSION,
) -> Select[Any]:
    query = (
        select(
            *PROFILE_COLUMNS,
            col(User.second_factors),
            *session,
            col(Team.require_mfa),
            col(Membership.team_id),
            col(Membership.role).label("team_role"),
            CUSTOM_ROLE_PERMISSIONS.label("team_grants"),
        )
        .select_from(source)
        .join(User, col(User.id) == col(source.user_id))
        .outerjoin(Team, team & col(Team.deleted_at).is_(None))
        .outerjoin(Membership, (col(Membership.team_id) == col(Team.id)) & (col(Membership.user_id) == col(User.id)))
        .where(*where, col(User.is_active), col(User.deleted_at).is_(None))
    )
    return add_extra_fields(query, fields)


def _impersonation_query(
    credential: Sequence[Any],
    team: Any,
    user_conditions: UserConditions,
    fields: EntityFields | None,
    *,
    own_session: Callable[[Any], ColumnElement[bool]] | None = None,
) -> Select[Any]:
    """Build the query for an impersonation, which ends when the administrator's session, role or account ends.

    `own_session` is a condition on the administrator's session. Without it, a token of an external issuer needs none.
    """
    impersonator, own = aliased(User), aliased(AuthSession)
    is_allowed = exists().where(
        col(impersonator.id) == col(AuthSession.impersonator_id),
        col(impersonator.is_active),
        col(impersonator.deleted_at).is_(None),
        or_(
            (col(impersonator.role) == PlatformRole.SUPERADMIN.value)
            & (col(User.role) != PlatformRole.SUPERADMIN.value),
            (col(impersonator.role) == PlatformRole.ADMIN.value) & (col(User.role) == PlatformRole.USER.value),
        ),
        *user_conditions(col(impersonator.id)),
    )
    has_session = exists().where(
        col(own.id) == col(AuthSession.impersonator_session_id),
        col(own.user_id) == col(AuthSession.impersonator_id),
        col(own.revoked_at).is_(None),
        col(own.expires_at) > func.now(),
    )
    is_active: ColumnElement[bool]
    if own_session is None:
        is_active = or_(col(AuthSession.impersonator_session_id).is_(None), has_session)
    else:
        is_active = has_session.where(own_session(own))
    return _principal_query(*credential, *_ACTIVE, is_allowed, is_active, team=team, fields=fields)


class TeamStatements(Struct, frozen=True):
    """A statement in two variants: for the personal team, and for a team that the request names."""

    personal: Statement
    named: Statement

    async def fetchrow(self, database: Database, team_id: UUID | None, **values: Any) -> Record | None:
        """Execute the statement for this team, or for the personal team if it is None."""
        if team_id is None:
            return await database.fetchrow(self.personal, **values)
        return await database.fetchrow(self.named, team_id=team_id, **values)

    @classmethod
    def from_query(cls, query: Callable[[Any], Select[Any]]) -> "TeamStatements":
        return cls(Statement(lambda: query(_PERSONAL)), Statement(lambda: query(_REQUESTED)))


class PrincipalStatements:
    """The statements that find a principal, one for each type of local credential.

    With an external identity provider, `issuer` must have verified the user of a cookie session, and `user_conditions`
    hold while the provider knows the user. Impersonations of other users are invalid. `fields` are those that the
    extensions of the application add to users.
    """

    def __init__(
        self,
        issuer: str = "",
        user_conditions: UserConditions = lambda _user_id: (),
        fields: EntityFields | None = None,
    ) -> None:
        by_issuer = (col(AuthSession.issuer) == issuer, *user_conditions(col(User.id))) if issuer else ()
        self.bearer = TeamStatements.from_query(
            lambda team: _principal_query(*_BEARER, *_NOT_IMPERSONATED, team=team, fields=fields)
        )
        self.cookie = TeamStatements.from_query(
            lambda team: _principal_query(*_COOKIE, *_NOT_IMPERSONATED, *by_issuer, team=team, fields=fields)
        )
        self.impersonated = TeamStatements.from_query(
            lambda team: _impersonation_query(_BEARER, team, user_conditions, fields)
        )

        def is_of_browser(own: Any) -> ColumnElement[bool]:
            by_cookie = col(own.cookie_hash) == bindparam("own_cookie_hash", type_=LargeBinary)
            return by_cookie & (col(own.issuer) == issuer) if issuer else by_cookie

        self.impersonated_cookie = TeamStatements.from_query(
            lambda team: _impersonation_query(_COOKIE, team, user_conditions, fields, own_session=is_of_browser)
        )


@cache
def local_statements(fields: EntityFields | None) -> PrincipalStatements:
    """The statements without an external identity provider, shared by the applications with these extra fields."""
    return PrincipalStatements(fields=fields)


# Every revocation writes to one of these rows, so it commits either before they are locked, and is visible, or after
# this request. A user row is locked only for administrators and for principals without a session: members lock their
# own user row for updates, so that two requests of one member would wait for each other.
_LOCK = Statement(
    text(
        "WITH s AS (SELECT id FROM auth_sessions WHERE id = CAST(:session_id AS uuid) OR id = (SELECT "
        "impersonator_session_id FROM auth_sessions WHERE id = CAST(:session_id AS uuid)) ORDER BY id FOR SHARE), "
        "u AS (SELECT id FROM users WHERE id = ANY(CAST(:user_ids AS uuid[])) ORDER BY id FOR SHARE), "
        "m AS (SELECT id FROM memberships WHERE team_id = CAST(:team_id AS uuid) "
        "AND user_id = CAST(:person_id AS uuid) FOR SHARE), "
        "r AS (SELECT id FROM team_roles WHERE team_id = CAST(:team_id AS uuid) "
        "AND name = CAST(:team_role AS varchar) FOR SHARE) "
        "SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM u), "
        "(SELECT count(*) FROM m), (SELECT count(*) FROM r)"
    )
)


async def lock_principal(session: Session, principal: Principal) -> None:
    """Lock the rows that authorize this principal, so that they cannot be revoked before the transaction ends."""
    users = {principal.impersonator_id}
    if principal.session_id_or_none is None or principal.role is not PlatformRole.USER:
        users.add(principal.user_id_or_none)
    await session.fetch(
        _LOCK,
        session_id=principal.session_id_or_none,
        user_ids=sorted(users - {None}),
        team_id=principal.team_id,
        person_id=principal.user_id_or_none,
        team_role=principal.team_role,
    )
