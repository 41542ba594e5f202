"""The middleware stack, outermost first.

1. `RequestContext`   request id, context of logs and audit
2. `TrustedProxies`   the client's real address and scheme
3. `AccessLog`        one line per request
4. `RequestMetrics`   counts and durations
5. `SecurityHeaders`  on every response from here on, including errors
6. `AllowedHosts`     400 for unknown hosts
7. `Cors`             preflight requests and CORS headers
8. `Compression`      complete responses from a minimum size
9. `BodyLimit`        413
10. `Timeouts`        504, or 408 if the body did not arrive

Inside follow `ErrorHandler`, FastAPI's exit stack, and the dispatcher with the rate limits.
"""

from starlette.types import ASGIApp

from undercroft.core.http.middleware.access_log import AccessLog
from undercroft.core.http.middleware.allowed_hosts import AllowedHosts
from undercroft.core.http.middleware.body_limit import BodyLimit
from undercroft.core.http.middleware.compression import Compression
from undercroft.core.http.middleware.cors import Cors
from undercroft.core.http.middleware.metrics import RequestMetrics
from undercroft.core.http.middleware.request_context import RequestContext
from undercroft.core.http.middleware.security_headers import SecurityHeaders
from undercroft.core.http.middleware.timeouts import Timeouts
from undercroft.core.http.middleware.trusted_proxies import TrustedProxies
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load


def stack(app: ASGIApp) -> ASGIApp:
    """Wrap the application in all middleware that the settings enable."""
    settings = load(HttpSettings)
    app = Timeouts(app, settings.request_timeout)
    app = BodyLimit(app, settings.max_body_size)
    if settings.compression:
        app = Compression(app, settings.compression_min_size)
    app = Cors(app, settings.cors_origins)
    app = AllowedHosts(app)
    app = SecurityHeaders(app)
    app = RequestMetrics(app)
    app = AccessLog(app)
    if settings.trusted_proxies:
        app = TrustedProxies(app, settings.trusted_proxies)
    return RequestContext(app)
