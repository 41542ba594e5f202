from tests.modules.auth.conftest import ada, auth_services, http

__all__ = ["ada", "auth_services", "http"]
