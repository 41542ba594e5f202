"""Create, change, transfer, delete and restore teams."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from undercroft.core import audit
from undercroft.core.audit import Entry
from undercroft.core.auth import Principal
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.auth.step_up import MfaRequiredByTeam, require_second_factor
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.settings import load
from undercroft.modules.teams.domains import domain_claims, revoke_stale_claims
from undercroft.modules.teams.errors import TeamNotFound, TeamRoleTooWeak
from undercroft.modules.teams.locked_team import OWNER_PERMISSION, LockedTeam, lock_team
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import MembershipRepository, TeamRepository, UserTeam
from undercroft.modules.teams.restore import restore_team
from undercroft.modules.teams.schemas import TeamCreate, TeamUpdate
from undercroft.modules.teams.settings import TeamSettings
from undercroft.modules.teams.slugs import make_unique_slug, raise_on_slug_conflict, suggest_slug
from undercroft.modules.users import UserRepository


class TeamReadService:
    """Read the current user's teams."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._principal = principal
        self._teams = TeamRepository(session)

    async def list(
        self, *, page: int, size: int, sort: str | None, deleted: bool = False
    ) -> tuple[Sequence[UserTeam], int]:
        """List the user's teams, or the deleted ones that can still be restored."""
        since = restorable_since() if deleted else None
        return await self._teams.for_user(self._principal.user_id, page=page, size=size, sort=sort, deleted_since=since)

    async def read(self) -> UserTeam:
        """The current team."""
        return UserTeam(await self._teams.get(self._principal.team_id), self._principal.team_role)


class TeamService(TeamReadService):
    """Changes of the current team, in one transaction."""

    def __init__(self, session: Session, principal: Principal) -> None:
        super().__init__(session, principal)
        self._session = session

    async def create(self, data: TeamCreate) -> UserTeam:
        """Create a team owned by the user. Raises `SlugTaken`, `UserNotFound` (deleted in the meantime)."""
        await UserRepository(self._session).lock_no_key(self._principal.user_id)
        team = await create_team(self._session, name=data.name, slug=data.slug, owner_id=self._principal.user_id)
        await self._record("team.created", team, after={"name": team.name, "slug": team.slug})
        return UserTeam(team, TeamRole.OWNER)

    async def update(self, data: TeamUpdate) -> UserTeam:
        """Change the team. Raises `SlugTaken` and the errors of `_check_auto_join`, `_domain_claims`, `_check_mfa`."""
        locked = await lock_team(self._session, self._principal)
        team = locked.team
        fields = data.model_dump(exclude_unset=True, exclude_none=True)
        changes = {name: value for name, value in fields.items() if getattr(team, name) != value}
        if changes:
            await self._check_auto_join(locked, changes)
            self._check_mfa(locked, changes)
            before = {name: getattr(team, name) for name in changes}
            await self._write(team, {**changes, **await self._domain_claims(locked, changes)})
            await locked.record("team.changed", before=before, after=changes)
        return UserTeam(team, self._principal.team_role)

    async def transfer(self, user_id: UUID) -> None:
        """Make a member the owner; the current owner becomes an admin. Invitations of owners are revoked.

        Raises `MemberNotFound`, `PersonalTeam`, `TeamRoleTooWeak`.
        """
        locked = await lock_team(self._session, self._principal)
        locked.require(OWNER_PERMISSION)
        locked.require_not_personal()
        members = MembershipRepository(self._session)
        new_owner = await members.member(locked.team.id, user_id)
        if user_id == locked.user_id:
            return
        before = new_owner.role
        await members.update(new_owner, {"role": TeamRole.OWNER.value})
        await members.update(await members.member(locked.team.id, locked.user_id), {"role": TeamRole.ADMIN.value})
        await locked.record(
            "team.transferred",
            before={"owner": str(locked.user_id), "role": before},
            after={"owner": str(user_id), "role": TeamRole.OWNER.value},
            details=await locked.revoke_unauthorized_invitations(),
        )

    async def delete(self) -> None:
        """Delete the team, which is inaccessible until restored. Raises `PersonalTeam`."""
        locked = await lock_team(self._session, self._principal)
        locked.require("teams:delete")
        locked.require_not_personal()
        await self._teams.soft_delete(locked.team)
        await locked.record("team.deleted", before={"deleted": False}, after={"deleted": True})

    async def restore(self, team_id: UUID) -> UserTeam:
        """Restore a deleted team, with a new slug if its own was taken in the meantime.

        Raises `TeamNotFound` (not a member, or the restore period is over), `TeamRoleTooWeak`, and the errors of
        `restore_team`.
        """
        team = await self._teams.lock_no_key(team_id, deleted=True)
        found = await MembershipRepository(self._session).permissions(team_id, self._principal.user_id)
        if found is None or team.deleted_at is None or team.deleted_at < restorable_since():
            raise TeamNotFound
        if "teams:delete" not in found[1]:
            raise TeamRoleTooWeak(details={"permissions": ["teams:delete"]})
        await restore_team(self._session, team)
        return UserTeam(team, found[0])

    async def _check_auto_join(self, locked: LockedTeam, changes: Mapping[str, Any]) -> None:
        """Require an owner to change join domains and their role.

        Raises `TeamRoleTooWeak`, `PersonalTeam`, `UnknownRole`.
        """
        if not changes.keys() & {"auto_join_domains", "auto_join_role"}:
            return
        locked.require(OWNER_PERMISSION)
        locked.require_not_personal()
        await locked.require_can_assign_role(changes.get("auto_join_role", locked.team.auto_join_role))

    async def _domain_claims(self, locked: LockedTeam, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the stored fields for changed domains. Raises `DomainNotVerified`, `PublicMailDomain`."""
        if "auto_join_domains" not in changes:
            return {}
        await revoke_stale_claims(self._session, locked.team)
        user = await UserRepository(self._session).get(locked.user_id)
        return domain_claims(locked.team, changes["auto_join_domains"], user)

    def _check_mfa(self, locked: LockedTeam, changes: Mapping[str, Any]) -> None:
        """Require an owner, with a second factor to turn the MFA requirement on.

        Raises `TeamRoleTooWeak`, `PersonalTeam`, `MfaEnrollmentRequired`, `MfaRequiredByTeam`, `StepUpRequired`.
        """
        if "require_mfa" not in changes:
            return
        locked.require(OWNER_PERMISSION)
        locked.require_not_personal()
        if changes["require_mfa"]:
            require_second_factor(self._principal, MfaRequiredByTeam)

    async def _write(self, team: Team, changes: Mapping[str, Any]) -> None:
        with raise_on_slug_conflict(changes.get("slug")):
            await self._teams.update(team, changes)

    async def _record(self, action: str, team: Team, **changed: Any) -> None:
        entry = Entry(action, self._principal.user_id, "team", team.id, team.id, **changed)
        await audit.record(self._session, entry)


def restorable_since() -> datetime:
    """Return the time before which deleted teams can no longer be restored."""
    return utc_now() - load(TeamSettings).restore_period


async def create_team(
    session: Session, *, name: str, owner_id: UUID, slug: str | None = None, personal: bool = False
) -> Team:
    """Create a team with its owner. Raises `SlugTaken` if another team uses the requested slug."""
    teams = TeamRepository(session)
    slug = slug or await make_unique_slug(teams, suggest_slug(name))
    team = Team(name=name, slug=slug, personal_user_id=owner_id if personal else None)
    with raise_on_slug_conflict(slug):
        await teams.create(team)
    await MembershipRepository(session).create(Membership(team_id=team.id, user_id=owner_id, role=TeamRole.OWNER.value))
    return team
