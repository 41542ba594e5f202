"""`/metrics`, for the operator only."""

import hmac

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from undercroft.core.errors import Forbidden, Unauthorized
from undercroft.core.http.limits import limit
from undercroft.core.http.middleware.trusted_proxies import parse_address
from undercroft.core.settings import load
from undercroft.core.telemetry.settings import TelemetrySettings

FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class MetricsForbidden(Forbidden):
    code = "METRICS_FORBIDDEN"
    message = "Metrics are available from this machine only. Set METRICS_TOKEN to read them with a bearer token."


@limit(None)
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
    """`/metrics`."""
    return [Route("/metrics", _metrics, include_in_schema=False)]
