"""The pages: a welcome, signing in and out, registering, and the page behind a mailed link that signs somebody in."""

from pathlib import Path

from undercroft.core.http.pages import add_templates, name_sign_in_page
from undercroft.modules.auth import bind_second_factor_page
from undercroft.modules.sign_in_pages.answers import SIGN_IN_PAGE, second_step_asked
from undercroft.modules.sign_in_pages.pages.by_passkey import by_passkey
from undercroft.modules.sign_in_pages.pages.joining import joining
from undercroft.modules.sign_in_pages.pages.magic_link import magic_link
from undercroft.modules.sign_in_pages.pages.registering import registering
from undercroft.modules.sign_in_pages.pages.signing_in import signing_in
from undercroft.modules.sign_in_pages.pages.welcome import welcome

add_templates(Path(__file__).parents[1] / "templates")
name_sign_in_page(SIGN_IN_PAGE)
bind_second_factor_page(second_step_asked)

__all__ = ["by_passkey", "joining", "magic_link", "registering", "signing_in", "welcome"]
