"""HTTP: routers and guards, the application, middleware, errors, limits, pages and API documentation."""

from undercroft.core.http._fastapi import dependency_calls, depends_on, path_parameter_types
from undercroft.core.http.assets import asset_url
from undercroft.core.http.body import json_response
from undercroft.core.http.conditional import IfMatch, InvalidIfMatch, etag
from undercroft.core.http.deprecation import Deprecation
from undercroft.core.http.dispatcher import set_gate
from undercroft.core.http.guards import CurrentPrincipal, PermissionDenied
from undercroft.core.http.limits import Limiter
from undercroft.core.http.pages import (
    Action,
    PageBanner,
    PageBanners,
    build_csp,
    email_link_page,
    failure_page,
    render_page,
    result_page,
)
from undercroft.core.http.pagination import InvalidCursor, ListQuery, Page, PageNumberQueryDep, PageQuery, PageQueryDep
from undercroft.core.http.route_info import Audit, Exempt, RouteInfo, Surface, When, declare, get_info
from undercroft.core.http.router import Router
from undercroft.core.http.router_options import declaration
from undercroft.core.http.settings import RateText
from undercroft.core.http.tags import Tag

__all__ = [
    "Action",
    "Audit",
    "CurrentPrincipal",
    "Deprecation",
    "Exempt",
    "IfMatch",
    "InvalidCursor",
    "InvalidIfMatch",
    "Limiter",
    "ListQuery",
    "Page",
    "PageBanner",
    "PageBanners",
    "PageNumberQueryDep",
    "PageQuery",
    "PageQueryDep",
    "PermissionDenied",
    "RateText",
    "RouteInfo",
    "Router",
    "Surface",
    "Tag",
    "When",
    "asset_url",
    "build_csp",
    "declaration",
    "declare",
    "dependency_calls",
    "depends_on",
    "email_link_page",
    "etag",
    "failure_page",
    "get_info",
    "json_response",
    "path_parameter_types",
    "render_page",
    "result_page",
    "set_gate",
]
