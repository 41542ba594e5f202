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

    Every account is decided in the transaction that creates it (`UserService.sign_up`). A registration is also decided
    before it is stored, whether or not the address has an account; `email_verified` is False then. So what is allowed
    may have changed when the user opens the emailed link. An amended name applies to the account only.

    `is_invited` is True for an invitation. A hook with a negative `order` may set it, so that policies by which only
    invited users sign up accept the address. A hook that raises `SignUpWaitlisted` has stored the address: a
    registration then responds that the user has to wait, and other ways to sign up with this error. `issuer` is the
    identity provider, empty for the others. Accounts that an administrator creates on the command line are not decided.
    """

    email: str
    full_name: Annotated[str, Meta(max_length=NAME_LENGTH)]
    method: SignUpMethod
    issuer: str = ""
    email_verified: bool = True
    is_invited: bool = False

    amendable = ("full_name", "is_invited")
    deferrable = True
