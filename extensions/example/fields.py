"""Fields of users, who belong to another module: they appear in its routes, in `/admin` and in the audit log."""

from sqlmodel import Field

from undercroft.core.db import ExtraFields
from undercroft.core.validation import Name
from undercroft.modules.users import User


class EmployeeFields(ExtraFields, entity=User):
    """What the company knows about a user. Without a `__privacy__`, it is erased with the account."""

    admin_only = ("keyholder",)
    sortable = ("desk",)
    filters = ("desk", "keyholder")

    desk: Name | None = Field(
        default=None,
        max_length=40,
        description="Desk of the user, at most 40 characters.",
        schema_extra={"examples": ["Library 4"]},
    )
    keyholder: bool = Field(default=False, description="Whether the user has a key to the rooms.")
