"""Lock a team for a change, and check the caller's permissions under the lock."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from msgspec import Struct

from undercroft.core import audit
from undercroft.core.audit import Entry
from undercroft.core.auth import Principal
from undercroft.core.auth.step_up import require_recent_authentication
from undercroft.core.db import ReadSession, Session
from undercroft.core.db.entity_fields import personal_fields
from undercroft.modules.teams.errors import PersonalTeam, TeamNotFound, TeamRoleTooWeak, UnknownRole
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.repository.teams import TeamRepository
from undercroft.modules.teams.service.domains import revoke_stale_claims
from undercroft.modules.teams.service.role_permissions import (
    exceeds_member_role,
    get_role_permissions,
    revoke_unauthorized_invitations,
)

OWNER_PERMISSION = "owners:write"
"""Needs recent authentication as well: a stolen session could otherwise make the thief an owner."""


class LockedTeam(Struct, frozen=True):
    """A team locked by the current user. `permissions` are those that both the request and the current role grant, so
    a permission lost while waiting for the lock is not used."""

    session: Session
    team: Team
    principal: Principal
    permissions: frozenset[str]

    @property
    def user_id(self) -> UUID:
        return self.principal.user_id

    def require(self, *permissions: str) -> None:
        """Require permissions of the current user.

        Raises `TeamRoleTooWeak`, and for owner permissions the errors of `require_recent_authentication`.
        """
        missing = sorted(set(permissions) - self.permissions)
        if missing:
            raise TeamRoleTooWeak(details={"permissions": missing})
        if OWNER_PERMISSION in permissions:
            require_recent_authentication(self.principal)

    async def require_can_assign_role(self, role: str) -> None:
        """Require that the current user has all permissions of the role to be assigned.

        Raises `UnknownRole`, `TeamRoleTooWeak`, and for a role that exceeds the member role the errors of
        `require_recent_authentication`.
        """
        permissions = await get_role_permissions(self.session, self.team.id, role)
        if permissions is None:
            raise UnknownRole(details={"role": role})
        self.require(*permissions)
        self.require_step_up_to_grant(permissions)

    def require_step_up_to_grant(self, permissions: Collection[str]) -> None:
        """Require recent authentication to grant permissions that exceed the member role.

        With the permission to invite or administer, a stolen session could create lasting access for the thief.
        Raises the errors of `require_recent_authentication`.
        """
        if exceeds_member_role(permissions):
            require_recent_authentication(self.principal)

    async def require_can_change_role(self, role: str) -> None:
        """Require all permissions of a role to change or remove it. Raises `TeamRoleTooWeak`."""
        self.require(*(await get_role_permissions(self.session, self.team.id, role) or ()))

    async def revoke_unauthorized_invitations(self) -> dict[str, int]:
        """Revoke invitations that their senders could no longer send; return the details for the audit entry."""
        revoked = await revoke_unauthorized_invitations(self.session, self.team.id)
        await revoke_stale_claims(self.session, self.team)
        return {"revoked_invitations": revoked} if revoked else {}

    def require_not_personal(self) -> None:
        """Raises `PersonalTeam`: a personal team has one member, its user."""
        if self.team.personal_user_id is not None:
            raise PersonalTeam

    async def record(self, action: str, *, target: tuple[str, UUID] | None = None, **fields: Any) -> None:
        """Record an audit entry with these fields of `Entry`; the team is the target unless another one is given."""
        target_type, target_id = target or ("team", self.team.id)
        personal = personal_fields(Team)
        entry = Entry(action, self.user_id, target_type, target_id, self.team.id, personal=personal, **fields)
        await audit.record(self.session, entry)


async def lock_team(session: ReadSession, principal: Principal, *permissions: str) -> LockedTeam:
    """Lock the current team until the transaction ends, and require these permissions; needs a `Session`.

    Raises `TeamNotFound` if the user is no longer a member, and the errors of `LockedTeam.require`.
    """
    team = await TeamRepository(session).lock_no_key(principal.team_id)
    membership = await MembershipRepository(session).permissions(team.id, principal.user_id)
    if membership is None:
        raise TeamNotFound
    locked = LockedTeam(session.writable, team, principal, membership[1] & principal.permissions)
    locked.require(*permissions)
    return locked
