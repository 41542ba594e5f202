"""The HTTP control API of the issuer. In the same process, call the issuer's methods instead.

POST /control/failures {"failures": ["jwks_down"]}    enable exactly these failures; [] for none
POST /control/people   {"subject": "ada", "email": "ada@example.com", "name": "Ada", "email_verified": true}
POST /control/approve  {"subject": "ada"}             sign in as this user without a page; null shows the page
POST /control/rotate   {"withdraw": false}            sign with new keys
POST /control/token    {"subject": "ada", "claims": {}}   return a token for a user
POST /control/clock    {"offset": 3600}               move the issuer's clock, in seconds
POST /control/reset    {}                             remove failures, users and request counts
GET  /control/state                                   failures, users, keys and request counts
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from undercroft.devstack.emulators.http import Request, Response

if TYPE_CHECKING:
    from undercroft.devstack.emulators.oidc.issuer import OidcIssuer


def handle_request(issuer: "OidcIssuer", request: Request) -> Response:
    """Perform a control action. Returns its result, or the new state if it has none."""
    action = request.path.removeprefix("/control/")
    try:
        result = _ACTIONS[action](issuer, request.json) if action != "state" else None
    except (KeyError, TypeError, ValueError) as error:
        return Response.json({"error": f"{type(error).__name__}: {error}"}, 400)
    return Response.json(result or issuer.state())


def _set_failures(issuer: "OidcIssuer", body: dict[str, Any]) -> None:
    from undercroft.devstack.emulators.oidc.issuer import Failure

    issuer.set_failures(*(Failure(name) for name in body["failures"]))


def _add_user(issuer: "OidcIssuer", body: dict[str, Any]) -> None:
    issuer.add_user(**body)


def _approve(issuer: "OidcIssuer", body: dict[str, Any]) -> None:
    issuer.auto_approve = issuer.users[body["subject"]] if body["subject"] else None


def _rotate(issuer: "OidcIssuer", body: dict[str, Any]) -> None:
    issuer.rotate(withdraw=bool(body.get("withdraw")))


def _token(issuer: "OidcIssuer", body: dict[str, Any]) -> dict[str, str]:
    return {"token": issuer.token(issuer.users[body["subject"]], **body.get("claims", {}))}


def _move_clock(issuer: "OidcIssuer", body: dict[str, Any]) -> None:
    issuer.clock_offset = float(body["offset"])


def _reset(issuer: "OidcIssuer", _body: dict[str, Any]) -> None:
    issuer.reset()


_ACTIONS: dict[str, Callable[["OidcIssuer", dict[str, Any]], dict[str, str] | None]] = {
    "failures": _set_failures,
    "people": _add_user,
    "approve": _approve,
    "rotate": _rotate,
    "token": _token,
    "clock": _move_clock,
    "reset": _reset,
}
