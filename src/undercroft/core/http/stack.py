"""The middleware stack, outermost first.

1. `TrustedProxies`   the client's real address and scheme
2. `RequestContext`   request id, context of logs and audit
3. `RequestLog`       one line per request, counts and durations
4. `SecurityHeaders`  on every response from here on, including errors
5. `AllowedHosts`     400 for unknown hosts
6. `Cors`             preflight requests and CORS headers
7. `Compression`      complete responses from a minimum size
8. `BodyLimit`        413
9. `Timeouts`         504, or 408 if the body did not arrive

Inside follow `ErrorHandler`, which makes the error responses, the middleware and the exception handlers of the
application, and the dispatcher with the rate limits. Before these, WebSockets pass 1, 2, 5 and `WebSocketAccess`, which
verifies their callers again.
"""

from collections.abc import Callable, Collection

from starlette.types import ASGIApp, Scope

from undercroft.core.context import current_context
from undercroft.core.http.middleware.allowed_hosts import AllowedHosts
from undercroft.core.http.middleware.body_limit import BodyLimit
from undercroft.core.http.middleware.compression import Compression
from undercroft.core.http.middleware.cors import Cors
from undercroft.core.http.middleware.request_context import RequestContext
from undercroft.core.http.middleware.request_log import RequestLog
from undercroft.core.http.middleware.security_headers import SecurityHeaders
from undercroft.core.http.middleware.timeouts import Timeouts
from undercroft.core.http.middleware.trusted_proxies import TrustedProxies
from undercroft.core.http.middleware.websocket_access import WebSocketAccess
from undercroft.core.http.settings import HttpSettings
from undercroft.core.modules import RequestHeaders
from undercroft.core.settings import load


def stack(app: ASGIApp, *, any_host: Collection[str], max_body_size: Callable[[Scope], int | None]) -> ASGIApp:
    """Wrap the application in all middleware that the settings enable.

    `any_host` are the paths for every host; `max_body_size` returns the limit that the route of a request sets itself.
    """
    settings = load(HttpSettings)
    http: ASGIApp = Timeouts(app, settings.request_timeout)
    http = BodyLimit(http, settings.max_body_size, max_body_size)
    if settings.compression:
        http = Compression(http, settings.compression_min_size)
    declared = current_context().find(RequestHeaders) or ()
    cors = Cors(http, settings.cors_origins, [header.name for header in declared])
    current_context().add(Cors, cors)  # its origins can change at runtime
    http = AllowedHosts(cors, any_host)
    http = SecurityHeaders(http)
    http = RequestLog(http)
    wrapped: ASGIApp = RequestContext(http, websocket=AllowedHosts(WebSocketAccess(app)))
    return TrustedProxies(wrapped, settings.trusted_proxies) if settings.trusted_proxies else wrapped
