"""Settings of emailed links and disposable email addresses."""

from enum import StrEnum

from pydantic import Field

from undercroft.core.extras import require_extra
from undercroft.core.settings import DomainList, SettingsBase


class AuthSettings(SettingsBase):
    section = "Sign-in"

    verify_link_hours: float = Field(24, gt=0, le=168, description="Lifetime of an email verification link, in hours.")
    reset_link_minutes: float = Field(60, gt=0, le=1440, description="Lifetime of a password reset link, in minutes.")
    magic_links: bool = Field(
        False, description="Whether users can sign in with an emailed link instead of a password."
    )
    magic_link_minutes: float = Field(15, gt=0, le=120, description="Lifetime of a sign-in link, in minutes.")


class DisposableMail(StrEnum):
    ALLOW = "allow"
    REFUSE = "refuse"


class DisposableMailSettings(SettingsBase):
    section = "Sign-in"
    runtime = ("disposable_mail", "disposable_mail_domains", "disposable_mail_allowed")

    disposable_mail: DisposableMail = Field(
        DisposableMail.ALLOW,
        description="`refuse` rejects disposable email addresses for new accounts and address changes "
        "(install `undercroft[disposable-mail]`).",
    )
    disposable_mail_domains: DomainList = Field(
        (), description="Additional disposable domains, separated by commas; their subdomains are included."
    )
    disposable_mail_allowed: DomainList = Field(
        (), description="Domains to accept although they are listed, separated by commas."
    )

    def require_adapters(self) -> None:
        if self.disposable_mail is DisposableMail.REFUSE:
            require_extra(
                "disposable_email_domains", "disposable-mail", "DISPOSABLE_MAIL=refuse needs a list of domains"
            )
