"""Create, change, transfer, delete, restore and purge teams."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError

from undercroft.core.audit import Entry, changes, record
from undercroft.core.auth import Principal
from undercroft.core.auth.step_up import MfaRequiredByTeam, require_second_factor
from undercroft.core.db import Paging, ReadSession, RowPage, Session, utc_now
from undercroft.core.db.entity_fields import given_fields, personal_fields
from undercroft.core.errors import PreconditionFailed
from undercroft.core.events import publish
from undercroft.core.ids import new_id
from undercroft.core.overrides import Service, call_super
from undercroft.core.settings import load
from undercroft.core.validation import make_slug
from undercroft.jobs import Task, enqueue
from undercroft.modules.teams.errors import PersonalTeam, SlugTaken, TeamNotFound, TeamRoleTooWeak, TeamWithoutOwner
from undercroft.modules.teams.events import TeamPurged
from undercroft.modules.teams.models import Membership, Team, TeamRole
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.repository.teams import TeamAdminRepository, TeamRepository, UserTeam
from undercroft.modules.teams.schemas import TeamCreate, TeamUpdate
from undercroft.modules.teams.service.domains import domain_claims, revoke_stale_claims
from undercroft.modules.teams.service.locked_team import OWNER_PERMISSION, LockedTeam, lock_team
from undercroft.modules.teams.settings import TeamSettings
from undercroft.modules.users import UserRepository

TeamWithCount = tuple[Team, int]
MAX_GENERATED_SLUG = 50
"""Maximum characters of a generated slug, which leaves room for a random suffix."""


class TeamService(Service):
    """Teams of the current user. Pass a `Session` to change them, a `ReadSession` to read them."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._teams = TeamRepository(session)

    async def list(self, paging: Paging, *, deleted: bool = False) -> RowPage[UserTeam]:
        since = restorable_since() if deleted else None
        return await self._teams.for_user(self._principal.user_id, paging, deleted_since=since)

    async def read(self) -> UserTeam:
        return UserTeam(await self._teams.get(self._principal.team_id), self._principal.team_role)

    @call_super
    async def create(self, data: TeamCreate) -> UserTeam:
        """Create a team owned by the user. Raises `SlugTaken`, `UserNotFound` (deleted in the meantime)."""
        session, user_id = self._session.writable, self._principal.user_id
        await UserRepository(session).lock_no_key(user_id)
        extra = given_fields(Team, data)
        team = await create_team(session, name=data.name, slug=data.slug, owner_id=user_id, extra=extra)
        after, personal = {"name": team.name, "slug": team.slug, **extra}, personal_fields(Team)
        await record(session, Entry("team.created", user_id, "team", team.id, team.id, after=after, personal=personal))
        return UserTeam(team, TeamRole.OWNER)

    @call_super
    async def update(self, data: TeamUpdate, *, versions: Sequence[int] | None = None) -> UserTeam:
        """Change the team.

        Raises `PreconditionFailed` unless the team is at one of `versions`, `SlugTaken`, and the errors of
        `_check_auto_join`, `_check_mfa_change` and `_domain_claims`.
        """
        locked = await lock_team(self._session, self._principal)
        team = locked.team
        if versions is not None and team.version not in versions:
            raise PreconditionFailed(details={"version": team.version})
        wanted = {**data.model_dump(exclude_unset=True, exclude_none=True), **given_fields(Team, data)}
        before, after = changes(team, wanted)
        if after:
            await self._check_auto_join(locked, after)
            self._check_mfa_change(locked, after)
            fields = {**after, **await self._domain_claims(locked, after)}
            with _raise_on_slug_conflict(after.get("slug")):
                await self._teams.update(team, fields)
            await locked.record("team.changed", before=before, after=after)
        return UserTeam(team, self._principal.team_role)

    @call_super
    async def transfer(self, user_id: UUID) -> None:
        """Make a member the owner; the current owner becomes an admin. Invitations of owners are revoked.

        Raises `MemberNotFound`, `PersonalTeam`, `TeamRoleTooWeak`.
        """
        locked = await lock_team(self._session, self._principal, OWNER_PERMISSION)
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

    @call_super
    async def delete(self) -> None:
        """Delete the team, which is inaccessible until restored. Raises `PersonalTeam`."""
        locked = await lock_team(self._session, self._principal, "teams:delete")
        locked.require_not_personal()
        await self._teams.soft_delete(locked.team)
        await locked.record("team.deleted", before={"deleted": False}, after={"deleted": True})

    @call_super
    async def restore(self, team_id: UUID) -> UserTeam:
        """Restore a deleted team, with a new slug if its own was taken in the meantime.

        Raises `TeamNotFound` (not a member, or the restore period is over), `TeamRoleTooWeak`, and the errors of
        `restore_team`.
        """
        team = await self._teams.lock_no_key(team_id, deleted=True)
        membership = await MembershipRepository(self._session).permissions(team_id, self._principal.user_id)
        if membership is None or team.deleted_at is None or team.deleted_at < restorable_since():
            raise TeamNotFound
        role, permissions = membership
        if "teams:delete" not in permissions:
            raise TeamRoleTooWeak(details={"permissions": ["teams:delete"]})
        await restore_team(self._session.writable, team)
        return UserTeam(team, role)

    async def _check_auto_join(self, locked: LockedTeam, after: Mapping[str, Any]) -> None:
        """Require an owner to change join domains and their role.

        Raises `TeamRoleTooWeak`, `PersonalTeam`, `UnknownRole`.
        """
        if not after.keys() & {"auto_join_domains", "auto_join_role"}:
            return
        locked.require(OWNER_PERMISSION)
        locked.require_not_personal()
        await locked.require_can_assign_role(after.get("auto_join_role", locked.team.auto_join_role))

    def _check_mfa_change(self, locked: LockedTeam, after: Mapping[str, Any]) -> None:
        """Require an owner to change the MFA requirement, with a second factor to turn it on.

        Raises `TeamRoleTooWeak`, `PersonalTeam`, `MfaEnrollmentRequired`, `MfaRequiredByTeam`, `StepUpRequired`.
        """
        if "require_mfa" in after:
            locked.require(OWNER_PERMISSION)
            locked.require_not_personal()
        if after.get("require_mfa"):
            require_second_factor(self._principal, MfaRequiredByTeam)

    async def _domain_claims(self, locked: LockedTeam, after: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the stored fields for changed domains. Raises `DomainNotVerified`, `PublicEmailDomain`."""
        if "auto_join_domains" not in after:
            return {}
        await revoke_stale_claims(locked.session, locked.team)
        user = await UserRepository(self._session).get(locked.user_id)
        return domain_claims(locked.team, after["auto_join_domains"], user)


class TeamAdminService(Service):
    """All teams with their member counts. Pass a `Session` to change them, a `ReadSession` to read them."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._teams = TeamAdminRepository(session)
        self._members = MembershipRepository(session)

    async def list(self, paging: Paging, *where: ColumnElement[bool]) -> RowPage[TeamWithCount]:
        teams = await self._teams.list(paging, *where)
        counts = await self._members.count_by_team([team.id for team in teams.items])
        return teams.map(lambda team: (team, counts.get(team.id, 0)))

    async def get(self, team_id: UUID) -> TeamWithCount:
        """Return a team with its member count. Raises `TeamNotFound`."""
        team = await self._teams.get(team_id)
        return team, await self._members.size(team.id)

    async def members(self, team_id: UUID, paging: Paging) -> RowPage[Any]:
        """List rows of (membership, email, full name), also of a deleted team. Raises `TeamNotFound`."""
        team = await self._teams.get(team_id)
        return await self._members.members(team.id, paging)

    @call_super
    async def delete(self, team_id: UUID) -> None:
        """Delete a team, which is inaccessible until restored. Raises `TeamNotFound`, `PersonalTeam`."""
        team = await self._teams.lock(team_id)
        if team.personal_user_id is not None:
            raise PersonalTeam
        if team.deleted_at is None:
            await self._teams.soft_delete(team)
            deleted = Entry("team.deleted", None, "team", team_id, team_id, {"deleted": False}, {"deleted": True})
            await record(self._session.writable, deleted)

    @call_super
    async def restore(self, team_id: UUID) -> TeamWithCount:
        """Restore a team. Raises `TeamNotFound` and the errors of `restore_team`."""
        team = await self._teams.lock(team_id)
        if team.deleted_at is not None:
            await restore_team(self._session.writable, team)
        return await self.get(team_id)


def is_mfa_blocked(principal_row: Mapping[str, Any], *, passed_mfa: bool) -> bool:
    """Whether the current team requires a second factor that this session or key did not verify.

    `core.auth.step_up` refuses requests of a blocked principal with an error that tells the user what to do; the module
    `mfa` refuses to remove the last factor of a member of such a team.
    """
    return bool(principal_row["require_mfa"]) and not passed_mfa


def restorable_since() -> datetime:
    return utc_now() - load(TeamSettings).restore_period


async def create_team(
    session: Session,
    *,
    name: str,
    owner_id: UUID,
    slug: str | None = None,
    personal: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> Team:
    """Create a team with its owner. Raises `SlugTaken` if another team uses the requested slug.

    `extra` are values of fields that extensions add to teams.
    """
    teams = TeamRepository(session)
    slug = slug or await _make_unique_slug(teams, make_slug(name, max_length=MAX_GENERATED_SLUG) or "team")
    team = Team(name=name, slug=slug, personal_user_id=owner_id if personal else None)
    with _raise_on_slug_conflict(slug):
        await teams.create(team, extra)
    await MembershipRepository(session).create(Membership(team_id=team.id, user_id=owner_id, role=TeamRole.OWNER.value))
    return team


async def restore_team(session: Session, team: Team) -> None:
    """Restore a deleted, locked team, with a new slug if its own was taken in the meantime.

    Raises `TeamWithoutOwner`, and `SlugTaken` if a concurrent request takes the slug.
    """
    if not await MembershipRepository(session).count_owners(team.id):
        raise TeamWithoutOwner
    teams = TeamRepository(session)
    slug = await _make_unique_slug(teams, team.slug)
    moved = {} if slug == team.slug else {"slug": slug}
    before = {"deleted": True, **dict.fromkeys(moved, team.slug)}
    with _raise_on_slug_conflict(slug):
        await teams.update(team, {"deleted_at": None, **moved})
    after = {"deleted": False, **moved}
    await record(session, Entry("team.restored", None, "team", team.id, team.id, before=before, after=after))


async def purge_team(session: Session, team: Team) -> None:
    """Permanently delete a deleted team and the rows that refer to it. The caller has locked the team."""
    await TeamRepository(session).delete(team)
    await record(session, Entry("team.purged", None, "team", team.id, team.id))
    await publish(session, TeamPurged(team.id))


async def purge_abandoned(session: Session) -> None:
    """Purge deleted teams without members: no user could restore them."""
    teams = TeamRepository(session)
    for team_id in await teams.list_abandoned():
        await purge_team(session, await teams.lock_with_deleted(team_id))


async def _make_unique_slug(teams: TeamRepository, slug: str) -> str:
    if not await teams.slug_exists(slug):
        return slug
    return f"{slug[:MAX_GENERATED_SLUG].rstrip('-')}-{new_id().hex[-8:]}"


@contextmanager
def _raise_on_slug_conflict(slug: str | None) -> Iterator[None]:
    """Translate a violated unique constraint to `SlugTaken`, for a slug that was free before or was requested."""
    try:
        yield
    except IntegrityError as error:
        raise SlugTaken(details={"slug": slug}) from error


async def enqueue_for_each_team(session: Session, task: Task[..., Any], **arguments: Any) -> int:
    """Enqueue a job of the task for every team, with its `team_id`; returns their number.

    A team whose job of the task has not finished gets no second one. The task reads and writes in the team's context:
    `with tenant(team_id)`.
    """
    teams = await TeamRepository(session).list_ids()
    for team_id in teams:
        await enqueue(session, task, key=str(team_id), team_id=team_id, **arguments)
    return len(teams)
