"""Teams themselves: made, changed, handed over, deleted and restored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from undercroft.core import audit
from undercroft.core.audit import Entry
from undercroft.core.auth import Principal
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.auth.proof import MfaRequiredByTeam, require_second_factor
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.ids import new_id
from undercroft.core.settings import load
from undercroft.core.validation import slug_from
from undercroft.modules.teams.acting import OWNERS_ALONE, Acting, hold_team
from undercroft.modules.teams.domains import require_own
from undercroft.modules.teams.errors import SlugTaken, TeamNotFound, TeamRoleTooWeak
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import Belonging, MembershipRepository, TeamRepository
from undercroft.modules.teams.schemas import TeamCreate, TeamUpdate
from undercroft.modules.teams.settings import TeamSettings
from undercroft.modules.users import UserRepository

SLUG_STEM = 50
"""Characters of a made-up slug, so that there is room for a few random ones."""


class TeamReads:
    """What somebody may see of their teams."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._principal = principal
        self._teams = TeamRepository(session)

    async def list(
        self, *, page: int, size: int, sort: str | None, deleted: bool = False
    ) -> tuple[Sequence[Belonging], int]:
        """The teams that one belongs to; the deleted ones, which can still be restored, if asked."""
        since = restorable_since() if deleted else None
        return await self._teams.of_user(self._principal.user_id, page=page, size=size, sort=sort, deleted_since=since)

    async def read(self) -> Belonging:
        """The current team."""
        return Belonging(await self._teams.get(self._principal.team_id), self._principal.team_role)


class TeamService(TeamReads):
    """What somebody may do with their current team, in one transaction."""

    def __init__(self, session: Session, principal: Principal) -> None:
        super().__init__(session, principal)
        self._session = session

    async def create(self, data: TeamCreate) -> Belonging:
        """A new team, whose owner one is. Raises `SlugTaken`, `UserNotFound` (the account was given up meanwhile)."""
        await UserRepository(self._session).hold(self._principal.user_id)
        team = await create_team(self._session, name=data.name, slug=data.slug, owner_id=self._principal.user_id)
        await self._record("team.created", team, after={"name": team.name, "slug": team.slug})
        return Belonging(team, TeamRole.OWNER)

    async def change(self, data: TeamUpdate) -> Belonging:
        """Raises `SlugTaken`, and what `_check_joining` and `_check_mfa` raise."""
        acting = await hold_team(self._session, self._principal)
        team = acting.team
        given = data.model_dump(exclude_unset=True, exclude_none=True)
        changes = {name: value for name, value in given.items() if getattr(team, name) != value}
        if changes:
            await self._check_joining(acting, changes)
            self._check_mfa(acting, changes)
            before = {name: getattr(team, name) for name in changes}
            await self._write(team, changes)
            await acting.record("team.changed", before=before, after=changes)
        return Belonging(team, self._principal.team_role)

    async def transfer(self, user_id: UUID) -> None:
        """Make a member the owner in one's own place; one stays as an admin, and has invited no owners.

        Raises `MemberNotFound`, `PersonalTeam`, `TeamRoleTooWeak`.
        """
        acting = await hold_team(self._session, self._principal)
        acting.require(OWNERS_ALONE)
        acting.require_shared()
        members = MembershipRepository(self._session)
        heir = await members.member(acting.team.id, user_id)
        if user_id == acting.user_id:
            return
        before = heir.role
        await members.update(heir, {"role": TeamRole.OWNER.value})
        await members.update(await members.member(acting.team.id, acting.user_id), {"role": TeamRole.ADMIN.value})
        voided = await acting.void_beyond(acting.user_id, TeamRole.ADMIN)
        await acting.record(
            "team.transferred",
            before={"owner": str(acting.user_id), "role": before},
            after={"owner": str(user_id), "role": TeamRole.OWNER.value},
            details={"revoked_invitations": voided} if voided else None,
        )

    async def delete(self) -> None:
        """Nobody reaches the team any more, until it is restored. Raises `PersonalTeam`."""
        acting = await hold_team(self._session, self._principal)
        acting.require("teams:delete")
        acting.require_shared()
        await self._teams.soft_delete(acting.team)
        await acting.record("team.deleted", before={"deleted": False}, after={"deleted": True})

    async def restore(self, team_id: UUID) -> Belonging:
        """Bring a deleted team back, under another slug when its own was taken meanwhile.

        Raises `TeamNotFound` (to all who did not belong to it, and when its time is over), `TeamRoleTooWeak` and
        `TeamWithoutOwner`.
        """
        team = await self._teams.hold(team_id, deleted=True)
        members = MembershipRepository(self._session)
        found = await members.permissions(team_id, self._principal.user_id)
        if found is None or team.deleted_at is None or team.deleted_at < restorable_since():
            raise TeamNotFound
        if "teams:delete" not in found[1]:
            raise TeamRoleTooWeak(details={"permissions": ["teams:delete"]})
        await members.require_owner(team_id)
        slug = _lengthened(team.slug) if await self._teams.slug_exists(team.slug) else team.slug
        moved = {} if slug == team.slug else {"slug": slug}
        before = {"deleted": True, **{name: getattr(team, name) for name in moved}}
        await self._write(team, {"deleted_at": None, **moved})
        await self._record("team.restored", team, before=before, after={"deleted": False, **moved})
        return Belonging(team, found[0])

    async def _check_joining(self, acting: Acting, changes: Mapping[str, Any]) -> None:
        """Who joins by a domain, and as what, is for owners to say.

        Raises `TeamRoleTooWeak`, `PersonalTeam`, `UnknownRole`, `DomainNotProven`, `PublicMailDomain`.
        """
        if not changes.keys() & {"auto_join_domains", "auto_join_role"}:
            return
        acting.require(OWNERS_ALONE)
        acting.require_shared()
        await acting.require_to_give(changes.get("auto_join_role", acting.team.auto_join_role))
        added = set(changes.get("auto_join_domains", ())) - set(acting.team.auto_join_domains)
        require_own(sorted(added), await UserRepository(self._session).get(acting.user_id))

    def _check_mfa(self, acting: Acting, changes: Mapping[str, Any]) -> None:
        """Owners alone ask for two-step sign-in, having passed it.

        Raises `TeamRoleTooWeak`, `PersonalTeam`, `MfaEnrollmentRequired`, `MfaRequiredByTeam`, `StepUpRequired`.
        """
        if "require_mfa" not in changes:
            return
        acting.require(OWNERS_ALONE)
        acting.require_shared()
        if changes["require_mfa"]:
            require_second_factor(self._principal, MfaRequiredByTeam)

    async def _write(self, team: Team, changes: Mapping[str, Any]) -> None:
        try:
            await self._teams.update(team, changes)
        except IntegrityError as error:
            raise SlugTaken(details={"slug": changes.get("slug")}) from error

    async def _record(self, action: str, team: Team, **changed: Any) -> None:
        entry = Entry(action, self._principal.user_id, "team", team.id, team.id, **changed)
        await audit.record(self._session, entry)


def restorable_since() -> datetime:
    """Teams that were deleted before this moment are gone for good."""
    return utc_now() - load(TeamSettings).restore_life


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
    return _lengthened(slug) if await teams.slug_exists(slug) else slug


def _lengthened(slug: str) -> str:
    return f"{slug[:SLUG_STEM].rstrip('-')}-{new_id().hex[-8:]}"
