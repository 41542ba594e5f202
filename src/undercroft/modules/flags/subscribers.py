"""Removes deleted users and teams from the lists of rules."""

from undercroft.core.db import Session
from undercroft.core.events import ExtensionRemoved, subscribe
from undercroft.modules.flags.live import rules
from undercroft.modules.flags.repository import FlagRuleRepository
from undercroft.modules.teams import TeamPurged
from undercroft.modules.users import UserDeleted


@subscribe(UserDeleted)
async def remove_user(session: Session, event: UserDeleted) -> None:
    if await FlagRuleRepository(session).remove_user(event.user_id):
        await rules.announce(session)


@subscribe(TeamPurged)
async def remove_team(session: Session, event: TeamPurged) -> None:
    if await FlagRuleRepository(session).remove_team(event.team_id):
        await rules.announce(session)


@subscribe(ExtensionRemoved)
async def delete_rules(session: Session, event: ExtensionRemoved) -> None:
    """Delete the rules of an extension whose data is removed."""
    if await FlagRuleRepository(session).delete_prefix(f"{event.name}."):
        await rules.announce(session)
