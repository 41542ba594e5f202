from tests.modules.auth.conftest import ada, http, session_services

__all__ = ["ada", "http", "session_services"]
