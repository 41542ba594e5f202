"""The waiting list in `/admin`. The form that creates rows in other views invites entries here."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import field_validator
from sqladmin.filters import StaticValuesFilter
from wtforms import Form, HiddenField, IntegerField
from wtforms.validators import NumberRange
from wtforms.validators import Optional as OptionalInput

from undercroft.core.admin import AdminView, enum_choices
from undercroft.core.auth import Principal
from undercroft.core.db import Session
from undercroft.core.validation import Schema
from undercroft.modules.waitlist.errors import WaitlistEmpty
from undercroft.modules.waitlist.models import WaitlistEntry, WaitlistState
from undercroft.modules.waitlist.schemas import MAX_INVITED
from undercroft.modules.waitlist.service import WaitlistService

DEFAULT_COUNT = 50


class InviteForm(Form):  # type: ignore[misc]
    """Invites a number of entries, or one from its page."""

    count = IntegerField(
        "Number of entries to invite",
        [OptionalInput(), NumberRange(1, MAX_INVITED)],
        default=DEFAULT_COUNT,
        description=f"Those that have waited longest, at most {MAX_INVITED} at once. Each gets an email with a link.",
        render_kw={"class": "form-control", "min": 1, "max": MAX_INVITED},
    )
    entry_id = HiddenField()


class InviteInput(Schema):
    count: int | None = None
    entry_id: UUID | None = None

    @field_validator("entry_id", mode="before")
    @classmethod
    def _drop_empty(cls, value: Any) -> Any:
        return value or None


class WaitlistView(AdminView, model=WaitlistEntry):
    name = "Waiting list"
    name_plural = "Waiting list"
    icon = "fa-solid fa-hourglass-half"
    category = "Accounts"
    label = "email"
    schema = InviteInput
    form = InviteForm
    can_create = True
    can_delete = True
    delete_warning = "An invitation no longer works. The address can join the list again."
    choices = {"state": WaitlistState}
    column_list = ["email", "state", "created_at", "invited_at", "invitation_expires_at", "registered_at"]
    column_details_exclude_list = ["mailed_at"]
    column_labels = {"created_at": "Waiting since", "invitation_expires_at": "Invited until"}
    column_searchable_list = ["email"]
    column_sortable_list = ["email", "state", "created_at", "invited_at"]
    column_default_sort = "created_at"
    column_filters = [StaticValuesFilter("state", values=enum_choices(WaitlistState))]
    list_template = "waitlist/list.html"
    details_template = "waitlist/details.html"
    create_template = "waitlist/invite.html"

    def __init__(self) -> None:
        super().__init__()
        own: Any = self
        own.can_edit = False  # the form invites

    async def create_row(self, session: Session, values: Mapping[str, Any], *, by: Principal) -> Any:
        """Invite one entry or the next ones. Raises `WaitlistEntryNotFound`, `WaitlistEmpty`."""
        waitlist = WaitlistService(session, by.user_id)
        if values["entry_id"] is not None:
            invited = await waitlist.invite([values["entry_id"]])
        else:
            invited = await waitlist.invite_next(values["count"] or DEFAULT_COUNT)
        if not invited:
            raise WaitlistEmpty
        return WaitlistEntry(email="")  # SQLAdmin wants a row, and then shows the list

    async def delete_row(self, session: Session, row: Any, *, by: Principal) -> None:
        await WaitlistService(session, by.user_id).remove(row.id)
