"""The decision about a new account."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from undercroft.core.hooks import HookPoint
from undercroft.modules.users.models import NAME_LENGTH


class SignUpMethod(StrEnum):
    REGISTRATION = "registration"
    INVITATION = "invitation"
    IDENTITY_PROVIDER = "identity_provider"


class SignUp(HookPoint, frozen=True, kw_only=True):
    """A user signs up: registers, accepts an invitation without an account, or signs in with a new external identity.

    A registration is decided before it is stored, whether or not the address has an account, and once more if the user
    chooses another name when opening the emailed link. `issuer` is the identity provider, empty for the others.
    Accounts that an administrator creates on the command line are not decided.
    """

    email: str
    full_name: Annotated[str, Meta(max_length=NAME_LENGTH)]
    method: SignUpMethod
    issuer: str = ""

    amendable = ("full_name",)
