"""Rate limits of invitations, which send email in the product's name to recipients who did not request it."""

from datetime import timedelta

from undercroft.core.auth import Principal
from undercroft.core.context import current_context
from undercroft.core.db import utc_now
from undercroft.core.http import Limiter
from undercroft.core.security.tokens import hash_token
from undercroft.core.settings import load
from undercroft.modules.teams.settings import TeamSettings

NEW_ACCOUNT_AGE = timedelta(days=7)

LIMITS = {
    "invitations": lambda: load(TeamSettings).rate_limit_invitations,
    "new_account_invitations": lambda: load(TeamSettings).rate_limit_new_account_invitations,
    "team_invitations": lambda: load(TeamSettings).rate_limit_team_invitations,
    "invitation_emails": lambda: load(TeamSettings).rate_limit_invitation_emails,
    "invitation_repeats": lambda: load(TeamSettings).rate_limit_invitation_repeats,
}


async def enforce_invitation_limits(principal: Principal, email: str) -> None:
    """Count an invitation against the limits of its sender, team and address. Raises `TooManyRequests`."""
    limiter, address = current_context().get(Limiter), hash_token(email).hex()
    is_new = principal.subject["created_at"] > utc_now() - NEW_ACCOUNT_AGE
    for key, rate in (
        (f"user:{principal.user_id}", "new_account_invitations" if is_new else "invitations"),
        (f"team:{principal.team_id}:{address}", "invitation_repeats"),
        (f"team:{principal.team_id}", "team_invitations"),
        (f"address:{address}", "invitation_emails"),
    ):
        await limiter.require(f"invitation:{key}", rate)
