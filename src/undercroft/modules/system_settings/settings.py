"""Maintenance mode, announcements, and who can sign up."""

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, DomainList, SettingsBase, load

MAX_ANNOUNCEMENTS = 20


class AnnouncementLevel(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Announcement(BaseModel):
    """A text that pages and clients show to everyone between its times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(
        min_length=1,
        max_length=500,
        description="Plain text, at most 500 characters.",
        examples=["We move to a larger database on Sunday from 8 to 9 UTC."],
    )
    level: AnnouncementLevel = Field(AnnouncementLevel.INFO, description="`info`, `warning` or `critical`.")
    starts_at: AwareDatetime | None = Field(
        None, description="Time from which it is shown; null for now.", examples=["2026-11-21T08:00:00Z"]
    )
    ends_at: AwareDatetime | None = Field(
        None, description="Time until which it is shown; null for no limit.", examples=["2026-11-22T09:00:00Z"]
    )

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            raise ValueError("starts_at of an announcement must be before ends_at")
        return self


class MaintenanceSettings(SettingsBase):
    section = "Maintenance and announcements"
    runtime = ("maintenance_mode", "maintenance_message", "maintenance_retry_after", "announcements")

    maintenance_mode: bool = Field(
        False,
        description="Refuse all requests with 503, except those of administrators, sign-in and health checks. "
        "Background jobs continue.",
    )
    maintenance_message: str = Field(
        "We are working on our service. It will be back soon.",
        min_length=1,
        max_length=500,
        description="Message of responses and pages in maintenance mode.",
    )
    maintenance_retry_after: int = Field(
        300, ge=1, le=86_400, description="Seconds after which clients may retry in maintenance mode (Retry-After)."
    )
    announcements: list[Announcement] = Field(
        [],
        max_length=MAX_ANNOUNCEMENTS,
        description='Texts on all pages and at /api/v1/public/announcements, as JSON: [{"text": "Back at 9.", '
        '"level": "warning", "ends_at": "2030-01-01T09:00:00Z"}]',
    )


class SignUpPolicy(StrEnum):
    OPEN = "open"
    INVITE = "invite"
    WAITLIST = "waitlist"
    DOMAINS = "domains"


class SubaddressRule(StrEnum):
    ALLOW = "allow"
    REFUSE = "refuse"


class SignUpSettings(SettingsBase):
    section = "Sign-up"
    runtime = ("sign_up_policy", "sign_up_domains", "sign_up_subaddresses")

    sign_up_policy: SignUpPolicy = Field(
        SignUpPolicy.OPEN,
        description="Who can create an account: `open` everyone, `invite` only users with an invitation to a team, "
        "`waitlist` only invited users, while others join a waiting list from which administrators invite them, "
        "`domains` only email addresses at SIGN_UP_DOMAINS, invited or not.",
    )
    sign_up_domains: DomainList = Field(
        (), description="Domains of email addresses that can sign up under the policy `domains`, separated by commas."
    )
    sign_up_subaddresses: SubaddressRule = Field(
        SubaddressRule.ALLOW,
        description="`refuse` rejects email addresses with a tag, such as ada+shop@example.com, for new accounts.",
    )

    def require_adapters(self) -> None:
        if self.sign_up_policy is SignUpPolicy.WAITLIST and not load(CoreSettings).has_module("waitlist"):
            raise ConfigurationError(
                "SIGN_UP_POLICY=waitlist needs the module waitlist. Remove it from DISABLED_MODULES, or set `invite`."
            )

    @model_validator(mode="after")
    def _check_policy(self) -> Self:
        if self.sign_up_policy is SignUpPolicy.DOMAINS and not self.sign_up_domains:
            raise ValueError(
                "SIGN_UP_POLICY=domains needs SIGN_UP_DOMAINS, otherwise no one can sign up. Set it first."
            )
        return self
