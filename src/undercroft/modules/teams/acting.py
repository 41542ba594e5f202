"""Changing a team while nobody else does, with the rights that one has at that moment."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from undercroft.core import audit
from undercroft.core.audit import Entry
from undercroft.core.auth import Principal
from undercroft.core.auth.proof import require_recent
from undercroft.core.db import Session
from undercroft.modules.teams.domains import revoke_stale_claims
from undercroft.modules.teams.errors import PersonalTeam, TeamNotFound, TeamRoleTooWeak, UnknownRole
from undercroft.modules.teams.granting import exceed_member, role_permissions
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import MembershipRepository, TeamRepository
from undercroft.modules.teams.sending import revoke_unsendable

OWNERS_ALONE = "owners:write"
"""What takes this permission takes a fresh proof as well, for whoever makes an owner can lose the team to them."""


class Acting(Struct, frozen=True):
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

        Raises `TeamRoleTooWeak`, and what `require_recent` raises where it is for owners alone.
        """
        missing = sorted(set(permissions) - self.permissions)
        if missing:
            raise TeamRoleTooWeak(details={"permissions": missing})
        if OWNERS_ALONE in permissions:
            require_recent(self.principal)

    async def require_to_give(self, role: str) -> None:
        """Only a role that may do no more than oneself can be given.

        Raises `UnknownRole`, `TeamRoleTooWeak`, and what `require_recent` raises for more than a member may do.
        """
        permissions = await role_permissions(self.session, self.team.id, role)
        if permissions is None:
            raise UnknownRole(details={"role": role})
        self.require(*permissions)
        self.require_proof_to_grant(permissions)

    def require_proof_to_grant(self, permissions: Collection[str]) -> None:
        """Raises what `require_recent` raises unless a plain member has all of these permissions.

        Members join every day; who may let others in, or administer, can keep a way in for a thief.
        """
        if exceed_member(permissions):
            require_recent(self.principal)

    async def require_to_take(self, role: str) -> None:
        """Only a role that may do no more than oneself can be taken or changed. Raises `TeamRoleTooWeak`."""
        self.require(*(await role_permissions(self.session, self.team.id, role) or ()))

    async def revoke_unsendable(self) -> dict[str, int]:
        """After a change of roles: revoke what members could not send now; the details of the audit entry."""
        revoked = await revoke_unsendable(self.session, self.team.id)
        await revoke_stale_claims(self.session, self.team)
        return {"revoked_invitations": revoked} if revoked else {}

    def require_shared(self) -> None:
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


async def hold_team(session: Session, principal: Principal) -> Acting:
    """Hold the principal's current team until the transaction ends. Raises `TeamNotFound` when they belong no more."""
    team = await TeamRepository(session).hold(principal.team_id)
    found = await MembershipRepository(session).permissions(team.id, principal.user_id)
    if found is None:
        raise TeamNotFound
    return Acting(session, team, principal, found[1] & principal.permissions)
