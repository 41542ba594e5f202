"""Settings of outgoing email."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator, model_validator

from undercroft.core.adapters import NAME_PATTERN, find_adapter
from undercroft.core.settings import STATE_FOLDER, CoreSettings, SettingsBase, load
from undercroft.providers.email.address import Address

KIND = "undercroft.providers.email"


class SmtpSecurity(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"

    @property
    def port(self) -> int:
        return {"starttls": 587, "tls": 465, "none": 25}[self.value]


class EmailSettings(SettingsBase):
    section: ClassVar[str] = "Email"

    email_provider: str | None = Field(
        None,
        pattern=NAME_PATTERN,
        description="`smtp` sends emails. For development only: `mailbox` shows emails at /dev/mailbox, `console` "
        "prints them. Default: `smtp` in production, otherwise `mailbox`, or `console` without the module mailbox.",
    )
    email_from: str = Field(
        "no-reply@localhost",
        description="Sender of all emails, `no-reply@example.com` or `Example <no-reply@example.com>`. "
        "Default display name: APP_NAME.",
    )
    email_reply_to: str | None = Field(None, description="Reply-To address. Default: EMAIL_FROM.")
    email_templates: Path = Field(
        Path("templates/emails"),
        description="Folder of templates that override the built-in templates of the same name.",
    )
    email_mailbox_folder: Path = Field(STATE_FOLDER / "mailbox", description="Folder in which `mailbox` stores emails.")
    email_mailbox_size: int = Field(
        1000, ge=1, le=100_000, description="Maximum number of emails in `mailbox`; the oldest are deleted."
    )
    smtp_host: str | None = Field(None, description="Host name of the SMTP server, such as smtp.example.com.")
    smtp_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of the SMTP server. Default: 587 for `starttls`, 465 for `tls`, 25 for `none`.",
    )
    smtp_security: SmtpSecurity = Field(
        SmtpSecurity.STARTTLS,
        description="Encryption: `starttls` (required, no fallback to plain text), `tls` (implicit TLS) or `none`.",
    )
    smtp_username: str | None = Field(None, description="User name at the SMTP server, if it requires authentication.")
    smtp_password: SecretStr | None = Field(None, description="Password at the SMTP server.")
    smtp_timeout: float = Field(
        20.0, gt=0, le=300, description="Timeout in seconds for connecting and authenticating, and for each email."
    )
    smtp_ca_file: Path | None = Field(
        None, description="PEM file of CA certificates to trust in addition to the system's, for a private server."
    )

    @field_validator("email_from", "email_reply_to")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            Address.parse(value)
        return value

    @model_validator(mode="after")
    def _require_username_with_password(self) -> "EmailSettings":
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise ValueError("Set both SMTP_USERNAME and SMTP_PASSWORD or neither.")
        return self

    @property
    def provider(self) -> str:
        if self.email_provider is not None:
            return self.email_provider
        core = load(CoreSettings)
        if core.is_production:
            return "smtp"
        return "mailbox" if core.has_module("mailbox") else "console"

    @property
    def sender(self) -> Address:
        address = Address.parse(self.email_from)
        return address if address.name else Address(address.email, load(CoreSettings).app_name)

    def require_adapters(self) -> None:
        find_adapter(KIND, self.provider, "EMAIL_PROVIDER")

    def production_errors(self) -> Iterator[str]:
        if self.email_provider in ("console", "mailbox"):
            yield f"EMAIL_PROVIDER={self.email_provider} does not send emails. Set EMAIL_PROVIDER=smtp."
        elif self.email_provider not in (None, "smtp"):
            pass
        elif not self.smtp_host:
            yield "SMTP_HOST is not set. Set it to your SMTP server, such as smtp.example.com."
        elif self.smtp_security is SmtpSecurity.NONE and self.smtp_username and not _is_loopback(self.smtp_host):
            yield "SMTP_SECURITY=none would send SMTP_PASSWORD unencrypted. Use starttls or tls."
        if Address.parse(self.email_from).domain == "localhost":
            yield "EMAIL_FROM is not set. Set it to an address of your domain, such as no-reply@example.com."


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
