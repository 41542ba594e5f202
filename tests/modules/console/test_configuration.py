"""What the console offers in an installation."""

from httpx2 import AsyncClient

from undercroft.core.settings import use
from undercroft.providers.identity import IdentitySettings

PATH = "/api/v1/public/console"


async def test_configuration_names_the_pages_and_the_kind_of_accounts(client: AsyncClient) -> None:
    configuration = (await client.get(PATH)).json()
    assert configuration["docs_url"] == "/docs"
    assert configuration["local_accounts"] is True
    use(IdentitySettings(auth_provider="oidc", oidc_issuer="https://id.example.com", oidc_audience=("app",)))
    assert (await client.get(PATH)).json()["local_accounts"] is False
