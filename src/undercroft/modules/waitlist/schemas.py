"""Request and response bodies of the waiting list."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from undercroft.core.http import ListQuery
from undercroft.core.validation import Schema
from undercroft.modules.waitlist.models import WaitlistEntryBase, WaitlistState
from undercroft.modules.waitlist.repository import WaitlistRepository

MAX_INVITED = 200


class WaitlistQuery(ListQuery):
    sortable = WaitlistRepository.sortable

    state: WaitlistState | None = Field(None, description="`waiting`, `invited` or `registered`.")


class WaitlistEntryRead(WaitlistEntryBase):
    model_config = {"from_attributes": True}

    id: UUID = Field(description="ID of the entry.")
    created_at: datetime = Field(description="Time of the first sign-up with this address.")


class WaitlistInvite(Schema):
    """Which entries to invite: either `entry_ids` or `count`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"count": 50}]})

    entry_ids: list[UUID] | None = Field(
        None, min_length=1, max_length=MAX_INVITED, description="Entries to invite, also once more."
    )
    count: int | None = Field(
        None, ge=1, le=MAX_INVITED, description="Number of entries to invite, those that have waited longest first."
    )

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if (self.entry_ids is None) == (self.count is None):
            raise ValueError("Send either entry_ids or count.")
        return self


class WaitlistInvited(Schema):
    invited: int = Field(description="Number of entries that were invited.", examples=[50])
