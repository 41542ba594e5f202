"""A running server and a user, for the clients that the tests generate."""

from tests.modules.auth.conftest import ada, auth_services, http
from tests.modules.conftest import address

__all__ = ["ada", "address", "auth_services", "http"]
