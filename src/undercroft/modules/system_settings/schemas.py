"""Request and response bodies of system settings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from undercroft.core.validation import Schema
from undercroft.modules.system_settings.service.settings import StoredSetting
from undercroft.modules.system_settings.settings import Announcement


class SettingUpdate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"value": ["https://app.example.com"]}]})

    value: JsonValue = Field(
        description="The new value: a text, number, boolean or list as in `schema`, or a text in the notation of the "
        "environment variable.",
        examples=[["https://app.example.com"]],
    )


class SettingRead(Schema):
    name: str = Field(description="Name of the setting and its environment variable.", examples=["CORS_ORIGINS"])
    section: str = Field(description="Group of settings.", examples=["HTTP"])
    description: str = Field(description="What the setting changes.")
    value: JsonValue = Field(description="The value in force.", examples=[["https://app.example.com"]])
    default: JsonValue = Field(description="The value without a change at runtime.", examples=[[]])
    is_changed: bool = Field(description="Whether an administrator has set the value.")
    changed_at: datetime | None = Field(description="Time of that change; null if the value is not changed.")
    changed_by: UUID | None = Field(
        description="Administrator who made that change; null if it was made by a command or the account was deleted."
    )
    changed_by_email: str | None = Field(
        description="Email address of that administrator.", examples=["ada@example.com"]
    )
    value_schema: dict[str, Any] = Field(
        description="JSON schema of the value.", examples=[{"type": "array", "items": {"type": "string"}}]
    )
    version: int = Field(description="Version number, incremented by every change; also the ETag.")

    @classmethod
    def of(cls, stored: StoredSetting) -> "SettingRead":
        declared, row = stored.declared, stored.row
        is_changed = row.value is not None
        return cls(
            name=declared.name,
            section=declared.section,
            description=declared.description,
            value=stored.value,
            default=declared.default,
            is_changed=is_changed,
            changed_at=row.updated_at if is_changed else None,
            changed_by=row.changed_by if is_changed else None,
            changed_by_email=stored.changed_by_email,
            value_schema=declared.schema,
            version=row.version,
        )


class SettingList(Schema):
    items: list[SettingRead] = Field(description="Settings by name.")


class AnnouncementList(Schema):
    items: list[Announcement] = Field(description="Announcements that are shown now.")
