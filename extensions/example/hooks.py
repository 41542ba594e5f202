"""Decisions about operations of other modules. A hook rejects with an error, or returns an amended point."""

from extensions.example.errors import CompanyAddressRequired
from extensions.example.settings import ExampleSettings

from undercroft.core.db import Session
from undercroft.core.hooks import before
from undercroft.core.settings import load
from undercroft.modules.users import SignUp


@before(SignUp)
async def require_company_address(_session: Session, sign_up: SignUp) -> SignUp | None:
    """Let only users with an address of EXAMPLE_COMPANY_DOMAIN sign up."""
    domain = load(ExampleSettings).company_domain
    if domain and not sign_up.email.endswith(f"@{domain.lower()}"):
        raise CompanyAddressRequired
    return None
