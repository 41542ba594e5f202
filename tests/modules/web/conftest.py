from tests.modules.mfa.conftest import (
    ada,
    auth_services,
    clock,
    http,
    key,
    mfa_user,
    page_browser,
    passkey_user,
)

__all__ = ["ada", "auth_services", "clock", "http", "key", "mfa_user", "page_browser", "passkey_user"]
