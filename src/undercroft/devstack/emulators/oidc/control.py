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

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from undercroft.devstack.emulators.oidc.issuer import OidcIssuer


async def handle_request(issuer: "OidcIssuer", request: Request) -> Response:
    """Perform a control action. Returns the new state, or the token."""
    action = request.url.path.removeprefix("/control/")
    try:
        body = await request.json() if request.method == "POST" else {}
        if action == "token":
            return JSONResponse({"token": issuer.token(issuer.users[body["subject"]], **body.get("claims", {}))})
        if action != "state":
            _ACTIONS[action](issuer, body)
    except (KeyError, TypeError, ValueError) as error:
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
    return JSONResponse(issuer.state())


def _approve(issuer: "OidcIssuer", body: dict[str, Any]) -> None:
    issuer.auto_approve = issuer.users[body["subject"]] if body["subject"] else None


def _move_clock(issuer: "OidcIssuer", body: dict[str, Any]) -> None:
    issuer.clock_offset = float(body["offset"])


_ACTIONS: dict[str, Callable[["OidcIssuer", dict[str, Any]], object]] = {
    "failures": lambda issuer, body: issuer.set_failures(*body["failures"]),
    "people": lambda issuer, body: issuer.add_user(**body),
    "approve": _approve,
    "rotate": lambda issuer, body: issuer.rotate(withdraw=bool(body.get("withdraw"))),
    "clock": _move_clock,
    "reset": lambda issuer, _: issuer.reset(),
}
