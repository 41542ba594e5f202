"""Changing a team while nobody else does, with the rights that one has at that moment."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from undercroft.core import audit
from undercroft.core.audit import Entry
from undercroft.core.auth import Principal
from undercroft.core.auth.step_up import require_recent_authentication
from undercroft.core.db import Session
from undercroft.modules.teams.domains import revoke_stale_claims
from undercroft.modules.teams.errors import PersonalTeam, TeamNotFound, TeamRoleTooWeak, UnknownRole
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import MembershipRepository, TeamRepository
from undercroft.modules.teams.role_permissions import exceeds_member_role, get_role_permissions
from undercroft.modules.teams.sender_permissions import revoke_unauthorized_invitations

OWNER_PERMISSION = "owners:write"
"""What takes this permission takes a fresh proof as well, for whoever makes an owner can lose the team to them."""


class LockedTeam(Struct, frozen=True):
    """Somebody and the team that they hold. `permissions` are what both the request and the role at this moment allow:
    whoever lost a right while waiting for the team does not use it."""

    session: Session
    team: Team
    principal: Principal
    permissions: frozenset[str]

    @property
    def user_id(self) -> UUID:
        return self.principal.user_id

    def require(self, *permissions: str) -> None:
        """Nobody gives, takes or touches what is beyond their own rights.

        Raises `TeamRoleTooWeak`, and what `require_recent_authentication` raises where it is for owners alone.
        """
        missing = sorted(set(permissions) - self.permissions)
        if missing:
            raise TeamRoleTooWeak(details={"permissions": missing})
        if OWNER_PERMISSION in permissions:
            require_recent_authentication(self.principal)

    async def require_can_assign_role(self, role: str) -> None:
        """Only a role that may do no more than oneself can be given.

        Raises `UnknownRole`, `TeamRoleTooWeak`, and what `require_recent_authentication` raises for more than a member
        may do.
        """
        permissions = await get_role_permissions(self.session, self.team.id, role)
        if permissions is None:
            raise UnknownRole(details={"role": role})
        self.require(*permissions)
        self.require_step_up_to_grant(permissions)

    def require_step_up_to_grant(self, permissions: Collection[str]) -> None:
        """Raises what `require_recent_authentication` raises unless a plain member has all of these permissions.

        Members join every day; who may let others in, or administer, can keep a way in for a thief.
        """
        if exceeds_member_role(permissions):
            require_recent_authentication(self.principal)

    async def require_can_change_role(self, role: str) -> None:
        """Only a role that may do no more than oneself can be taken or changed. Raises `TeamRoleTooWeak`."""
        self.require(*(await get_role_permissions(self.session, self.team.id, role) or ()))

    async def revoke_unauthorized_invitations(self) -> dict[str, int]:
        """After a change of roles: revoke what members could not send now; the details of the audit entry."""
        revoked = await revoke_unauthorized_invitations(self.session, self.team.id)
        await revoke_stale_claims(self.session, self.team)
        return {"revoked_invitations": revoked} if revoked else {}

    def require_not_personal(self) -> None:
        """Raises `PersonalTeam`: such a team stays with its user, alone."""
        if self.team.personal_user_id is not None:
            raise PersonalTeam

    async def record(
        self,
        action: str,
        *,
        target: tuple[str, UUID] | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
        person_id: UUID | None = None,
    ) -> None:
        """The audit entry of a change, of the team itself unless another target is named."""
        kind, target_id = target or ("team", self.team.id)
        entry = Entry(
            action,
            self.user_id,
            kind,
            target_id,
            self.team.id,
            before=before or {},
            after=after or {},
            details=details or {},
            person_id=person_id,
        )
        await audit.record(self.session, entry)


async def lock_team(session: Session, principal: Principal) -> LockedTeam:
    """Hold the principal's current team until the transaction ends. Raises `TeamNotFound` when they belong no more."""
    team = await TeamRepository(session).lock_no_key(principal.team_id)
    found = await MembershipRepository(session).permissions(team.id, principal.user_id)
    if found is None:
        raise TeamNotFound
    return LockedTeam(session, team, principal, found[1] & principal.permissions)
