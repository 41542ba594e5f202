"""The schema at `/openapi.json` and Scalar at `/docs`, without requests to third parties."""

import json
from typing import TYPE_CHECKING, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from undercroft.core.http.assets import CORE_ASSETS, asset_url
from undercroft.core.http.conditional import weak_etag
from undercroft.core.http.pages import build_csp, render_page

if TYPE_CHECKING:
    from undercroft.core.http.application import Api

CONFIGURATION = {
    "url": "/openapi.json",
    "theme": "default",
    "withDefaultFonts": False,
    "telemetry": False,
    "proxyUrl": "",
    "hideClientButton": True,
    "showDeveloperTools": "never",
    "agent": {"disabled": True},
    "mcp": {"disabled": True},
    "persistAuth": False,
    "operationTitleSource": "summary",
    "defaultHttpClient": {"targetKey": "shell", "clientKey": "curl"},
}


async def _docs(request: Request) -> Response:
    csp = build_csp(
        script_src="'self'",
        style_src="'self' 'unsafe-inline'",
        img_src="'self' data: blob:",
        font_src="'self' data:",
        connect_src="'self'",
        worker_src="'self' blob:",
    )
    return render_page(
        request,
        "docs.html",
        csp=csp,
        headers={"Cache-Control": "no-cache"},
        configuration=json.dumps(CONFIGURATION),
        scalar=asset_url(CORE_ASSETS / "scalar" / "scalar.js.gz"),
        start=asset_url(CORE_ASSETS / "docs.js"),
    )


class _Schema:
    """The encoded OpenAPI document, encoded again only when the routes change."""

    def __init__(self) -> None:
        self._document: object = None
        self._body = b""
        self._etag = ""

    def respond(self, request: Request) -> Response:
        document = cast("Api", request.app).openapi()
        if document is not self._document:
            self._document = document
            self._body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            self._etag = weak_etag(self._body)
        headers = {"ETag": self._etag, "Cache-Control": "no-cache"}
        return Response(self._body, media_type="application/json", headers=headers)


def routes() -> list[Route]:
    """`/docs` and `/openapi.json`."""
    schema = _Schema()

    async def openapi(request: Request) -> Response:
        return schema.respond(request)

    return [
        Route("/docs", _docs, include_in_schema=False),
        Route("/openapi.json", openapi, include_in_schema=False),
    ]
