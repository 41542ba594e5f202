from tests.modules.auth.conftest import ada, http, identity, mailbox

__all__ = ["ada", "http", "identity", "mailbox"]
