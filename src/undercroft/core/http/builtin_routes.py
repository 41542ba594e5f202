"""Routes of every application: Scalar at `/docs`, without requests to third parties, the schema of each version of the
API at `/openapi/v1.json`, that of version 1 also at `/openapi.json`, and `/metrics` for the operator.
"""

import hmac
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from undercroft.core.errors import Forbidden, Unauthorized
from undercroft.core.http.assets import CORE_ASSETS, asset_url
from undercroft.core.http.conditional import weak_etag
from undercroft.core.http.middleware.trusted_proxies import parse_address
from undercroft.core.http.pages import build_csp, render_page
from undercroft.core.http.route_info import declare
from undercroft.core.settings import load
from undercroft.core.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from undercroft.core.http.application import Api

CONFIGURATION = {
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
FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class MetricsForbidden(Forbidden):
    code = "METRICS_FORBIDDEN"
    message = "Metrics are available from this machine only. Set METRICS_TOKEN to read them with a bearer token."


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
        configuration=json.dumps({**CONFIGURATION, **_documents(cast("Api", request.app).versions)}),
        scalar=asset_url(CORE_ASSETS / "scalar" / "scalar.js.gz"),
        start=asset_url(CORE_ASSETS / "docs.js"),
    )


def _documents(versions: Sequence[int]) -> dict[str, Any]:
    """The documents that the page shows. It lets the reader choose if there are several."""
    if len(versions) == 1:
        return {"url": "/openapi.json"}
    return {"sources": [{"title": f"Version {each}", "url": f"/openapi/v{each}.json"} for each in versions]}


async def _metrics(request: Request) -> Response:
    from undercroft.core.telemetry import metrics

    _require_operator(request)
    return Response(metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-store"})


def _require_operator(request: Request) -> None:
    token = load(TelemetrySettings).metrics_token.get_secret_value()
    if token:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
            raise Unauthorized
    elif not _is_local(request):
        raise MetricsForbidden


def _is_local(request: Request) -> bool:
    """Whether this machine sent the request. A local proxy would make every client look local, so none is accepted."""
    address = parse_address(request.client.host) if request.client else None
    return (
        address is not None and address.is_loopback and not any(name in request.headers for name in FORWARDING_HEADERS)
    )


def routes() -> list[Route]:
    """The routes; a schema is encoded again only when the routes of the application change."""
    encoded: dict[int, tuple[object, bytes, str]] = {}

    async def openapi(request: Request) -> Response:
        version = request.path_params.get("version", 1)
        document = cast("Api", request.app).openapi(version)
        if version not in encoded or document is not encoded[version][0]:
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            encoded[version] = (document, body, weak_etag(body))
        _, body, tag = encoded[version]
        return Response(body, media_type="application/json", headers={"ETag": tag, "Cache-Control": "no-cache"})

    return [
        Route("/docs", _docs, include_in_schema=False),
        Route("/openapi.json", openapi, include_in_schema=False),
        Route("/openapi/v{version:int}.json", openapi, include_in_schema=False),
        declare(Route("/metrics", _metrics, include_in_schema=False), limit=None),
    ]
