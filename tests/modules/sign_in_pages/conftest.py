from tests.modules.mfa.conftest import ada, clock, guarded, http, identity

__all__ = ["ada", "clock", "guarded", "http", "identity"]
