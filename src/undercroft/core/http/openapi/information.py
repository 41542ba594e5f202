"""What the document states about the API as a whole."""

from typing import Any

from undercroft.core.settings import CoreSettings, load

DESCRIPTION = """
**Errors.** Every error response has the schema `ErrorBody`. Programs compare `error.code`; users read `error.message`.

**Retries.** Send a unique `Idempotency-Key` with a request that changes data, and the same key with each retry: the
request is executed once.

**Lists.** `page` and `size` select a page and return the total count. `cursor` and `limit` read on from the previous
response, without a count.

**Rate limits.** `X-RateLimit-Remaining` is the number of requests left. After 429, wait for the seconds in
`Retry-After`.

**Formats.** Times are RFC 3339 in UTC. IDs are UUIDs of version 7.
""".strip()


def build_information(info: dict[str, Any]) -> dict[str, Any]:
    """The members `info` and `servers` of the document."""
    settings = load(CoreSettings)
    info = info | {"description": DESCRIPTION, "contact": {"name": settings.app_name, "url": settings.public_url}}
    if settings.api_license:
        info["license"] = {"name": settings.api_license, "identifier": settings.api_license}
    return {"info": info, "servers": [{"url": settings.public_url, "description": settings.app_name}]}
