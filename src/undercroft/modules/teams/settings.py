"""How many belong to a team, how long invitations and deleted teams are kept, and how often one may invite."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.http.settings import RateText
from undercroft.core.settings import SettingsBase


class TeamSettings(SettingsBase):
    section = "Teams"

    team_seat_limit: int = Field(
        0, ge=0, description="How many people a team may have, unless a plan says otherwise; 0 for any number."
    )
    team_restore_days: int = Field(
        30, ge=1, le=365, description="Days for which a deleted team can be restored, before it is gone for good."
    )
    invitation_days: float = Field(7, gt=0, le=90, description="Days for which an invitation to a team works.")
    rate_limit_invitations: RateText = Field("100/day", description="Invitations that one user may send.")
    rate_limit_new_account_invitations: RateText = Field(
        "10/day", description="Invitations that a user may send in the first week of the account."
    )
    rate_limit_team_invitations: RateText = Field("200/day", description="Invitations that one team may send.")
    rate_limit_invitation_mails: RateText = Field(
        "5/day", description="Invitations that one address may be sent, whoever sends them."
    )
    rate_limit_invitation_repeats: RateText = Field(
        "1/10 minutes", description="Invitations that one team may send to the same address."
    )

    @property
    def invitation_lifetime(self) -> timedelta:
        return timedelta(days=self.invitation_days)

    @property
    def restore_period(self) -> timedelta:
        return timedelta(days=self.team_restore_days)
