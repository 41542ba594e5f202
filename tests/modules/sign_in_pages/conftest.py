from tests.modules.mfa.conftest import ada, auth_services, clock, http, mfa_user

__all__ = ["ada", "auth_services", "clock", "http", "mfa_user"]
