"""Custom roles of teams."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from undercroft.core.audit import changes
from undercroft.core.auth import Principal
from undercroft.core.auth.permissions import list_permissions
from undercroft.core.db import ReadSession
from undercroft.core.overrides import Service, call_super
from undercroft.modules.teams.errors import RoleInUse, RoleTaken, UnknownPermission
from undercroft.modules.teams.models import BUILT_IN_ROLES, CustomRole
from undercroft.modules.teams.repository.invitations import InvitationRepository
from undercroft.modules.teams.repository.members import MembershipRepository, RoleRepository
from undercroft.modules.teams.schemas import RoleCreate, RoleUpdate
from undercroft.modules.teams.service.locked_team import LockedTeam, lock_team


class RoleService(Service):
    """Custom roles of the current team. Pass a `Session` to change them, a `ReadSession` to list them.

    A user can neither grant permissions that the user lacks nor change a role that has such permissions.
    """

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._roles = RoleRepository(session, principal.team_id)

    async def list(self) -> Sequence[CustomRole]:
        return await self._roles.all()

    @call_super
    async def create(self, data: RoleCreate) -> CustomRole:
        """Create a role.

        Raises `RoleTaken`, `UnknownPermission`, `TeamRoleTooWeak`, and the errors of `require_step_up_to_grant`.
        """
        locked = await lock_team(self._session, self._principal, "roles:write")
        permissions = _validate_permissions(data.permissions)
        locked.require(*permissions)
        locked.require_step_up_to_grant(permissions)
        role = CustomRole(team_id=locked.team.id, name=data.name, description=data.description, permissions=permissions)
        await self._check_name(role.name)
        await self._roles.create(role)
        after = {"name": role.name, "description": role.description, "permissions": permissions}
        await locked.record("role.created", target=("role", role.id), after=after)
        return role

    @call_super
    async def update(self, role_id: UUID, data: RoleUpdate) -> CustomRole:
        """Change a role, effective with the next request of its members; revoke invitations they could no longer send.

        Raises `RoleNotFound` and the errors of `create`.
        """
        locked = await lock_team(self._session, self._principal, "roles:write")
        role = await self._roles.get(role_id)
        fields = data.model_dump(exclude_unset=True, exclude_none=True)
        if "permissions" in fields:
            fields["permissions"] = _validate_permissions(fields["permissions"])
        await locked.require_can_change_role(role.name)
        locked.require(*fields.get("permissions", ()))
        locked.require_step_up_to_grant(set(fields.get("permissions", ())) - set(role.permissions))
        before, after = changes(role, fields)
        if not after:
            return role
        if "name" in after:
            await self._check_name(after["name"])
            await self._rename(locked, role.name, after["name"])
        await self._roles.update(role, after)
        await locked.record(
            "role.changed",
            target=("role", role.id),
            before=before,
            after=after,
            details=await locked.revoke_unauthorized_invitations(),
        )
        return role

    @call_super
    async def delete(self, role_id: UUID) -> None:
        """Delete an unused role. Raises `RoleNotFound`, `RoleInUse`, `TeamRoleTooWeak`."""
        locked = await lock_team(self._session, self._principal, "roles:write")
        role = await self._roles.get(role_id)
        await locked.require_can_change_role(role.name)
        members = await MembershipRepository(self._session).count_with_role(locked.team.id, role.name)
        invitations = await InvitationRepository(self._session, locked.team.id).count_by(role=role.name)
        joining = locked.team.auto_join_role == role.name
        if members or invitations or joining:
            raise RoleInUse(details={"members": members, "invitations": invitations, "auto_join": joining})
        await self._roles.delete(role)
        before = {"name": role.name, "description": role.description, "permissions": role.permissions}
        await locked.record("role.deleted", target=("role", role.id), before=before)

    async def _rename(self, locked: LockedTeam, before: str, after: str) -> None:
        """Rename the role in memberships, pending invitations and the role of domain users."""
        await MembershipRepository(self._session).rename_role(locked.team.id, before, after)
        await InvitationRepository(self._session, locked.team.id).rename_role(before, after)
        if locked.team.auto_join_role == before:
            locked.team.auto_join_role = after

    async def _check_name(self, name: str) -> None:
        if name in BUILT_IN_ROLES or await self._roles.get_by(name=name) is not None:
            raise RoleTaken(details={"name": name})


def _validate_permissions(names: Iterable[str]) -> list[str]:
    """Return the names, sorted and without duplicates. Raises `UnknownPermission`."""
    requested = set(names)
    unknown = requested - {permission.name for permission in list_permissions() if not permission.reserved}
    if unknown:
        raise UnknownPermission(details={"permissions": sorted(unknown)})
    return sorted(requested)
