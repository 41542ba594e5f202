"""The configuration of the console, and the manifest of a module's pages."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from undercroft.core.validation import Schema

FILE_NAME = r"\w[\w.-]*(/\w[\w.-]*)*"
"""A file in a folder, of which no part begins with a dot."""


class PageArea(StrEnum):
    """The part of the navigation in which a page is listed."""

    TEAM = "team"
    ADMIN = "admin"


class ManifestPage(Schema):
    """A page of the console that a module brings, in `console/manifest.json`."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60, description="Name in the URL.", examples=["rooms"]
    )
    title: dict[str, str] = Field(
        min_length=1,
        description="Title by language tag; `en` is used for languages without one.",
        examples=[{"en": "Rooms", "de": "Räume"}],
    )
    area: PageArea = Field(PageArea.TEAM, description="`team`, or `admin` for administrators of the platform.")
    permission: str | None = Field(
        None, description="Permission in the team that the page needs; null for none.", examples=["rooms:read"]
    )
    script: str = Field(
        pattern=rf"^{FILE_NAME}$", description="The ES module that shows the page.", examples=["rooms.js"]
    )


class PageManifest(Schema):
    """`console/manifest.json` of a module."""

    model_config = ConfigDict(extra="forbid")

    pages: list[ManifestPage] = Field(min_length=1)


class ConsolePage(ManifestPage):
    """A page of the console that a module brings."""

    module: str = Field(description="Name of the module.", examples=["hotel"])
    script: str = Field(description="Path of the ES module.", examples=["/app/extensions/hotel/rooms.js"])


class ConsoleRead(Schema):
    """What the console shows beside the data of the API."""

    app_name: str = Field(description="Name of the product.", examples=["Acme"])
    disabled_modules: list[str] = Field(description="Names of the disabled modules.", examples=[["waitlist"]])
    pages: list[ConsolePage] = Field(description="Pages of extensions.")
    local_accounts: bool = Field(
        description="Whether users have passwords here; false if an identity provider manages the accounts."
    )
    admin_url: str | None = Field(
        description="Path of the raw tables for administrators; null if they are not served.", examples=["/admin"]
    )
    mailbox_url: str | None = Field(
        description="Path of the development mailbox; null if there is none.", examples=["/dev/mailbox"]
    )
    docs_url: str | None = Field(
        description="Path of the API documentation; null if it is not served.", examples=["/docs"]
    )
