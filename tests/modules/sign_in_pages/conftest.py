from tests.modules.mfa.conftest import ada, clock, guarded, http, identity, mailbox

__all__ = ["ada", "clock", "guarded", "http", "identity", "mailbox"]
