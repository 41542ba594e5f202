"""Maintenance mode: refuses requests, except those that an administrator needs to end it."""

import re

from starlette.requests import HTTPConnection

from undercroft.core.auth import PlatformRole
from undercroft.core.errors import AppError
from undercroft.core.http import set_gate
from undercroft.core.settings import load
from undercroft.modules.sessions import get_authenticator
from undercroft.modules.system_settings.errors import MaintenanceMode
from undercroft.modules.system_settings.settings import MaintenanceSettings

EXEMPT = re.compile(
    r"/(?:health|metrics|\.well-known|assets|admin|sign-in|sign-out|dev"
    r"|api/v\d+/(?:public/health|public/announcements|admin|auth(?!/register)))(?:/.*)?"
)
"""Paths for monitoring and signing in. Routes of administrators refuse other users themselves."""


def apply_maintenance_mode() -> None:
    """Refuse requests from now on, or serve them again, as MAINTENANCE_MODE says."""
    set_gate(require_exemption if load(MaintenanceSettings).maintenance_mode else None)


async def require_exemption(request: HTTPConnection) -> None:
    """Raise `MaintenanceMode` unless the path is exempt or an administrator sent the request."""
    if EXEMPT.fullmatch(request.scope["path"]) or await _is_administrator(request):
        return
    settings = load(MaintenanceSettings)
    raise MaintenanceMode(settings.maintenance_message, retry_after=settings.maintenance_retry_after)


async def _is_administrator(request: HTTPConnection) -> bool:
    """Whether the token or cookie of a request belongs to an administrator. Its route checks everything else."""
    authenticator = get_authenticator()
    is_token = b"authorization" in request.scope["state"]["request_headers"]
    try:
        principal = await (
            authenticator.authenticate(request)
            if is_token
            else authenticator.authenticate_page(request, impersonation=True)
        )
    except AppError:
        return False
    return principal.impersonator_id is not None or principal.role.includes(PlatformRole.ADMIN)
