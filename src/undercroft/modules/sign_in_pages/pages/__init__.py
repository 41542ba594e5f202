"""The pages: welcome, sign-in, sign-out, registration, and sign-in with an emailed link."""

from pathlib import Path

from undercroft.core.http.pages import add_templates, set_sign_in_page
from undercroft.modules.auth import bind_second_factor_page
from undercroft.modules.sign_in_pages.pages.join import join_router
from undercroft.modules.sign_in_pages.pages.magic_link import magic_link_router
from undercroft.modules.sign_in_pages.pages.passkey import passkey_router
from undercroft.modules.sign_in_pages.pages.registration import registration_router
from undercroft.modules.sign_in_pages.pages.sign_in import sign_in_router
from undercroft.modules.sign_in_pages.pages.welcome import welcome_router
from undercroft.modules.sign_in_pages.responses import SIGN_IN_PAGE, mfa_required_page

add_templates(Path(__file__).parents[1] / "templates")
set_sign_in_page(SIGN_IN_PAGE)
bind_second_factor_page(mfa_required_page)

__all__ = [
    "join_router",
    "magic_link_router",
    "passkey_router",
    "registration_router",
    "sign_in_router",
    "welcome_router",
]
