"""The pages: welcome, sign-in and sign-out, registration, invitations, and those that emailed links open."""

from undercroft.modules.web.pages.account import account_router
from undercroft.modules.web.pages.invitation import invitation_router
from undercroft.modules.web.pages.sign_in import local_router, sign_in_router
from undercroft.modules.web.pages.welcome import welcome_router

__all__ = [
    "account_router",
    "invitation_router",
    "local_router",
    "sign_in_router",
    "welcome_router",
]
