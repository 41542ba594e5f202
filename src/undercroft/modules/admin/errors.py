"""Errors of `/admin`."""

from undercroft.core.errors import Forbidden


class AdministratorsOnly(Forbidden):
    code = "ADMINISTRATORS_ONLY"
    message = "Administrator access is required."


class CrossSite(Forbidden):
    code = "CSRF_FAILED"
    message = "Cross-site request blocked. Submit the form on this site."
