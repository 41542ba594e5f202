"""Users: profile, platform role and activation.

Other modules use the service, the events and the repository; only this module writes the table. It exports more than
25 names because all ways to sign up, in and out need them.
"""

from undercroft.core import Module
from undercroft.modules.users.errors import (
    EmailTaken,
    LastSuperadmin,
    RoleTooWeak,
    SignUpWaitlisted,
    UserNotFound,
)
from undercroft.modules.users.events import (
    CredentialsRevoked,
    EmailChanged,
    SignInsRevoked,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserRegistered,
)
from undercroft.modules.users.hooks import SignUp, SignUpMethod
from undercroft.modules.users.models import EMAIL_LENGTH, NAME_LENGTH, User
from undercroft.modules.users.repository import PROFILE_COLUMNS, UserRepository, add_extra_fields
from undercroft.modules.users.schemas import FullName, UserRead
from undercroft.modules.users.service import NewUser, UserService, notify
from undercroft.modules.users.settings import DEMO_EMAIL

__all__ = [
    "DEMO_EMAIL",
    "EMAIL_LENGTH",
    "NAME_LENGTH",
    "PROFILE_COLUMNS",
    "CredentialsRevoked",
    "EmailChanged",
    "EmailTaken",
    "FullName",
    "LastSuperadmin",
    "NewUser",
    "RoleTooWeak",
    "SignInsRevoked",
    "SignUp",
    "SignUpMethod",
    "SignUpWaitlisted",
    "User",
    "UserDeactivated",
    "UserDeleted",
    "UserErased",
    "UserNotFound",
    "UserRead",
    "UserRegistered",
    "UserRepository",
    "UserService",
    "add_extra_fields",
    "notify",
]

MODULE = Module()
