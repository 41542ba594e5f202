"""The use cases of teams."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from undercroft.core import audit
from undercroft.core.audit import Entry
from undercroft.core.auth import Principal
from undercroft.core.auth.permissions import TeamRole, permissions_of
from undercroft.core.db import ReadSession, Session
from undercroft.core.db.repository import Slice
from undercroft.core.ids import new_id
from undercroft.core.validation import slug_from
from undercroft.modules.teams.errors import LastOwner, PersonalTeam, SlugTaken, TeamRoleTooWeak
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import Belonging, MembershipRepository, TeamRepository
from undercroft.modules.teams.schemas import TeamCreate, TeamUpdate

SLUG_STEM = 50
"""Characters of a made-up slug, so that there is room for a few random ones."""


class TeamReads:
    """What somebody may see of their teams."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._principal = principal
        self._teams = TeamRepository(session)
        self._members = MembershipRepository(session)

    async def list(self, *, page: int, size: int, sort: str | None) -> tuple[Sequence[Belonging], int]:
        return await self._teams.of_user(self._principal.user_id, page=page, size=size, sort=sort)

    async def read(self, team_id: UUID) -> Belonging:
        return await self._permitted(team_id, "teams:read")

    async def members(self, team_id: UUID, *, page: int, size: int) -> Slice[Any]:
        await self._permitted(team_id, "teams:read")
        return await self._members.members(team_id, page=page, size=size)

    async def _permitted(self, team_id: UUID, permission: str) -> Belonging:
        """The team, if one belongs to it in a role with this permission; `TeamNotFound` to strangers, else 403."""
        belonging = await self._teams.belonging(team_id, self._principal.user_id)
        if permission not in self._principal.within_scopes(permissions_of(belonging.role)):
            raise TeamRoleTooWeak(details={"permission": permission})
        return belonging


class TeamService(TeamReads):
    """What somebody may do with their teams, in one transaction."""

    def __init__(self, session: Session, principal: Principal) -> None:
        super().__init__(session, principal)
        self._session = session

    async def create(self, data: TeamCreate) -> Belonging:
        team = await create_team(self._session, name=data.name, slug=data.slug, owner_id=self._principal.user_id)
        await self._record("team.created", team, after={"name": team.name, "slug": team.slug})
        return Belonging(team, TeamRole.OWNER)

    async def change(self, team_id: UUID, data: TeamUpdate) -> Belonging:
        belonging = await self._permitted(team_id, "teams:write")
        changes = data.model_dump(exclude_unset=True, exclude_none=True)
        before = {name: getattr(belonging.team, name) for name in changes}
        try:
            await self._teams.update(belonging.team, changes)
        except IntegrityError as error:
            raise SlugTaken(details={"slug": changes.get("slug")}) from error
        await self._record("team.changed", belonging.team, before=before, after=changes)
        return belonging

    async def delete(self, team_id: UUID) -> None:
        belonging = await self._permitted(team_id, "teams:delete")
        if belonging.team.personal_user_id is not None:
            raise PersonalTeam
        await self._teams.soft_delete(await self._teams.lock(team_id))
        await self._record("team.deleted", belonging.team)

    async def change_role(self, team_id: UUID, user_id: UUID, role: TeamRole) -> None:
        belonging = await self._permitted(team_id, "members:write")
        owners = await self._members.lock_owners(team_id)
        member = await self._members.lock_member(team_id, user_id)
        before = member.role
        self._guard_owners(belonging, member, owners, becomes=role)
        await self._members.update(member, {"role": role.value})
        await self._record(
            "member.role_changed",
            belonging.team,
            user_id=str(user_id),
            before={"role": before},
            after={"role": role.value},
        )

    async def remove(self, team_id: UUID, user_id: UUID) -> None:
        """Remove a member; everybody may remove themselves."""
        leaving = user_id == self._principal.user_id
        belonging = await self._permitted(team_id, "teams:read" if leaving else "members:write")
        owners = await self._members.lock_owners(team_id)
        member = await self._members.lock_member(team_id, user_id)
        if belonging.team.personal_user_id == user_id:
            raise PersonalTeam
        self._guard_owners(belonging, member, owners, becomes=None)
        await self._members.delete(member)
        await self._record("member.removed", belonging.team, user_id=str(user_id))

    def _guard_owners(
        self, belonging: Belonging, member: Membership, owners: Sequence[Membership], becomes: TeamRole | None
    ) -> None:
        """Only owners make or unmake owners, a personal team's owner stays it, and the last one always does."""
        was_owner = member.role == TeamRole.OWNER
        if was_owner == (becomes is TeamRole.OWNER):
            return
        if "owners:write" not in permissions_of(belonging.role):
            raise TeamRoleTooWeak(details={"permission": "owners:write"})
        if was_owner and belonging.team.personal_user_id == member.user_id:
            raise PersonalTeam
        if was_owner and len(owners) == 1:
            raise LastOwner

    async def _record(self, action: str, team: Team, **details: Any) -> None:
        await audit.record(
            self._session,
            Entry(
                action=action,
                actor_id=self._principal.user_id,
                target_type="team",
                target_id=team.id,
                team_id=team.id,
                details=details,
            ),
        )


async def create_team(
    session: Session, *, name: str, owner_id: UUID, slug: str | None = None, personal: bool = False
) -> Team:
    """A new team with its owner. Raises `SlugTaken` when a slug was asked for that another living team has."""
    teams = TeamRepository(session)
    team = Team(name=name, slug=slug or await _free_slug(teams, name), personal_user_id=owner_id if personal else None)
    try:
        await teams.create(team)
    except IntegrityError as error:
        raise SlugTaken(details={"slug": team.slug}) from error
    await MembershipRepository(session).create(Membership(team_id=team.id, user_id=owner_id, role=TeamRole.OWNER.value))
    return team


async def _free_slug(teams: TeamRepository, name: str) -> str:
    """The name's slug, with a few random letters behind it unless it is still free."""
    slug = slug_from(name, max_length=SLUG_STEM) or "team"
    return f"{slug}-{new_id().hex[-8:]}" if await teams.slug_exists(slug) else slug
