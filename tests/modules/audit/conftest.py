from tests.modules.auth.conftest import ada, http, identity

__all__ = ["ada", "http", "identity"]
