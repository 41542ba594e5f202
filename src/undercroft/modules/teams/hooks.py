"""The decision about an invitation."""

from uuid import UUID

from undercroft.core.hooks import HookPoint


class NewInvitation(HookPoint, frozen=True, kw_only=True):
    """A member invites an address to the team; decided before it is looked up who has the address.

    An amended `role` must be one that the inviter may assign.
    """

    team_id: UUID
    invited_by: UUID
    email: str
    role: str

    amendable = ("role",)
