"""Settings of teams: seats, retention and limits of invitations."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.http.settings import RateText
from undercroft.core.settings import SettingsBase


class TeamSettings(SettingsBase):
    section = "Teams"

    team_seat_limit: int = Field(
        0, ge=0, description="Maximum number of members of a team, unless a plan sets another; 0 means unlimited."
    )
    team_restore_days: int = Field(
        30, ge=1, le=365, description="Days for which a deleted team can be restored before it is purged."
    )
    invitation_days: float = Field(7, gt=0, le=90, description="Days until an invitation to a team expires.")
    rate_limit_invitations: RateText = Field("100/day", description="Maximum invitations per user.")
    rate_limit_new_account_invitations: RateText = Field(
        "10/day", description="Maximum invitations per user in the first week of the account."
    )
    rate_limit_team_invitations: RateText = Field("200/day", description="Maximum invitations per team.")
    rate_limit_invitation_emails: RateText = Field(
        "5/day", description="Maximum invitations per email address, across all teams."
    )
    rate_limit_invitation_repeats: RateText = Field(
        "1/10 minutes", description="Maximum invitations per team and email address."
    )

    @property
    def invitation_lifetime(self) -> timedelta:
        return timedelta(days=self.invitation_days)

    @property
    def restore_period(self) -> timedelta:
        return timedelta(days=self.team_restore_days)
