"""The page of rooms in the console."""

from httpx2 import AsyncClient


async def test_page_is_listed_and_served(client: AsyncClient) -> None:
    (page,) = (await client.get("/api/v1/public/console")).json()["pages"]
    assert (page["module"], page["path"], page["permission"]) == ("example", "rooms", "rooms:read")
    assert "export default" in (await client.get(page["script"])).text
