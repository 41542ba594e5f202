"""Response bodies of the console's route."""

from pydantic import Field

from undercroft.core.validation import Schema


class ConsoleRead(Schema):
    """What the console shows beside the data of the API."""

    app_name: str = Field(description="Name of the product.", examples=["Acme"])
    disabled_modules: list[str] = Field(description="Names of the disabled modules.", examples=[["waitlist"]])
    admin_url: str | None = Field(
        description="Path of the raw tables for administrators; null if they are not served.", examples=["/admin"]
    )
    mailbox_url: str | None = Field(
        description="Path of the development mailbox; null if there is none.", examples=["/dev/mailbox"]
    )
    docs_url: str | None = Field(
        description="Path of the API documentation; null if it is not served.", examples=["/docs"]
    )
