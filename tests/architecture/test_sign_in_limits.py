"""Every route on which a client could guess a password, code or token shares the rate limit of sign-in."""

from fastapi.routing import APIRoute

from tests.enabled import is_enabled
from undercroft.core.http.application import Api
from undercroft.core.http.guards import current_principal
from undercroft.core.http.limits import BY_NETWORK, get_rate_limit_rule

UNLIMITED = {
    "/api/v1/auth/refresh": "a random token, and clients refresh often: the limit of its surface applies",
    "/api/v1/auth/logout": "it grants nothing",
    "/api/v1/auth/impersonation/end": "it grants nothing",
    "/api/v1/auth/social/{provider}/callback": "it only redirects a form to the GET",
    "/sign-out": "it grants nothing",
    "/join": "requires a session and its CSRF token",
    "/invitation": "a random token and a session, with a separate rate limit",
    "/invitation/register": "a random token, with a separate rate limit",
    "/invitation/sign-out": "it grants nothing",
    "/dev/mailbox/messages": "development only",
}
"""Routes without a principal that do not count as sign-in attempts, with the reason."""


def routes_without_principal(app: Api) -> list[APIRoute]:
    unsafe = [each for each in app.router.routes if isinstance(each, APIRoute) and each.methods != {"GET"}]
    prefixes = ("/api/v1/auth/",)
    return [
        each
        for each in unsafe
        if (each.path.startswith(prefixes) or not each.path.startswith("/api/"))
        and not any(dependency.call is current_principal for dependency in each.dependant.dependencies)
    ]


def test_public_routes_that_check_secrets_share_the_sign_in_rate_limit(app: Api) -> None:
    routes = routes_without_principal(app)
    assert len(routes) > 10
    groups = {each.path: get_rate_limit_rule(each) for each in routes}
    unlimited = {path for path, rule in groups.items() if rule is None or rule.group not in BY_NETWORK - {"auth"}}
    assert unlimited <= set(UNLIMITED), unlimited - set(UNLIMITED)


def secret_fields(route: APIRoute) -> set[str]:
    """The fields of the body that a client could guess: passwords and codes."""
    bodies = [each.field_info.annotation for each in route.dependant.body_params]
    fields = set[str]().union(*(getattr(body, "model_fields", ()) for body in bodies))
    return {name for name in fields if name.endswith(("password", "code")) and name != "new_password"}


def test_routes_that_check_a_password_or_code_share_the_sign_in_rate_limit(app: Api) -> None:
    routes = [route for route in app.router.routes if isinstance(route, APIRoute) and secret_fields(route)]
    rules = {f"{min(route.methods)} {route.path}": get_rate_limit_rule(route) for route in routes}
    of_mfa = {"POST /api/v1/auth/step-up", "POST /api/v1/auth/mfa/totp/confirm"}
    assert {
        "POST /api/v1/auth/password/change",
        "POST /api/v1/auth/email/change",
        "DELETE /api/v1/app/users/me",
        *(of_mfa if is_enabled("mfa") else ()),
    } <= set(rules)
    unlimited = {path for path, rule in rules.items() if rule is None or not rule.group.startswith("sign_in")}
    assert unlimited <= {f"POST {path}" for path in UNLIMITED}, unlimited
