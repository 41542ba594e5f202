"""The endpoints of the issuer: discovery, keys, authorize, token, userinfo and those of the dialects."""

import asyncio
import hashlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from undercroft.core.security.tokens import encode_base64url
from undercroft.devstack.emulators.http import read_form
from undercroft.devstack.emulators.oidc import control, dialects

if TYPE_CHECKING:
    from undercroft.devstack.emulators.oidc.issuer import Grant, OidcIssuer

HUGE_BODY_SIZE = 64 * 1024 * 1024
DISCOVERY = "/.well-known/openid-configuration"


class Endpoints:
    """Finds an endpoint by the end of the path; the prefix before it selects the dialect."""

    def __init__(self, issuer: "OidcIssuer") -> None:
        self._issuer = issuer
        self._endpoints: dict[str, Callable[[Request, str], Awaitable[Response]]] = {
            DISCOVERY: self._discovery,
            "/.well-known/jwks.json": self._jwks,
            "/authorize": self._authorize,
            "/login/oauth/access_token": self._github_token,
            "/token": self._token,
            "/userinfo": self._userinfo,
        }

    async def handle(self, request: Request) -> Response:
        if request.url.path.startswith("/control/"):
            return await control.handle_request(self._issuer, request)
        for end, endpoint in self._endpoints.items():
            if request.url.path.endswith(end):
                return await endpoint(request, request.url.path.removesuffix(end))
        return dialects.handle_request(self._issuer, request) or JSONResponse({"error": "not_found"}, 404)

    async def _discovery(self, _request: Request, prefix: str) -> Response:
        base = f"{self._issuer.url}{prefix}"
        return JSONResponse(
            {
                "issuer": dialects.discovery_issuer(self._issuer, prefix),
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "userinfo_endpoint": f"{base}/userinfo",
                "jwks_uri": f"{base}/.well-known/jwks.json",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [*self._issuer.keys.current],
                "code_challenge_methods_supported": ["S256"],
                **self._auth_methods(prefix),
                "authorization_response_iss_parameter_supported": prefix == "",
            }
        )

    async def _jwks(self, _request: Request, _prefix: str) -> Response:
        wrong = {error.removeprefix("jwks_") for error in self._issuer.failures}
        if "slow" in wrong:
            await asyncio.sleep(self._issuer.slow_response_seconds)
        if "down" in wrong:
            return JSONResponse({"error": "unavailable"}, 503)
        if "huge" in wrong:
            return StreamingResponse(_endless(), media_type="application/json")
        if "wrong" in wrong:
            return HTMLResponse("<h1>Welcome to the Wi-Fi</h1>")
        if "redirect" in wrong:
            return RedirectResponse(f"{self._issuer.url}/elsewhere/.well-known/jwks.json", 302)
        return JSONResponse(self._issuer.keys.jwks(with_ids="no_key_id" not in wrong))

    async def _authorize(self, request: Request, prefix: str) -> Response:
        parameters = {**request.query_params, **await read_form(request)}
        if parameters.get("client_id") not in self._issuer.clients or not parameters.get("redirect_uri"):
            return HTMLResponse("<h1>Unknown client</h1>", 400)
        if "deny" in self._issuer.failures:
            return self._redirect_back(parameters, prefix, {"error": "access_denied"})
        chosen = parameters.get("person")
        user = self._issuer.users.get(chosen) if chosen else self._issuer.auto_approve
        if user is None:
            return HTMLResponse(_approval_page(parameters, self._issuer.users.values()))
        return self._redirect_back(parameters, prefix, {"code": self._issuer.grant(parameters, user)})

    def _redirect_back(self, query: dict[str, str], prefix: str, parameters: dict[str, str]) -> Response:
        """Return to the client in the requested response mode: in the query, or by a form that submits itself."""
        if "state" in query:
            parameters["state"] = query["state"]
        if prefix == "":
            parameters["iss"] = self._issuer.url
            if "wrong_iss_parameter" in self._issuer.failures:
                parameters["iss"] = "https://another.example.com"
        if query.get("response_mode") == "form_post":
            return HTMLResponse(_form(query["redirect_uri"], parameters))
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(parameters)}", 302)

    async def _token(self, request: Request, prefix: str) -> Response:
        if "token_down" in self._issuer.failures:
            return JSONResponse({"error": "temporarily_unavailable"}, 503)
        form = await read_form(request)
        client_id, secret, method = _read_client_credentials(request, form)
        allowed = self._auth_methods(prefix).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if method not in allowed or not (method == "none" or self._is_valid_client(client_id, secret, prefix)):
            return JSONResponse({"error": "invalid_client"}, 401)
        grant = self._redeem_code(form, client_id)
        if grant is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        nonce = "of-another-flow" if "wrong_nonce" in self._issuer.failures else grant.nonce
        audience = {} if "wrong_audience" in self._issuer.failures else {"aud": client_id}
        id_token = self._issuer.token(
            grant.user,
            prefix=prefix,
            nonce=nonce,
            **audience,
            **dialects.extra_claims(self._issuer, prefix, grant.user),
        )
        return JSONResponse(
            {
                "access_token": self._issuer.access_token(grant.user),
                "token_type": "Bearer",
                "expires_in": 3600,
                "id_token": id_token,
            }
        )

    async def _github_token(self, request: Request, _prefix: str) -> Response:
        """GitHub returns status 200 for errors too."""
        form = await read_form(request)
        client_id, secret, _ = _read_client_credentials(request, form)
        if not self._is_valid_client(client_id, secret, "/github"):
            return JSONResponse({"error": "incorrect_client_credentials"})
        grant = self._redeem_code(form, client_id)
        if grant is None:
            return JSONResponse({"error": "bad_verification_code"})
        token = self._issuer.access_token(grant.user)
        return JSONResponse({"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"})

    async def _userinfo(self, request: Request, prefix: str) -> Response:
        user = self._issuer.access_tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if user is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        claims = self._issuer.claims(user, prefix=prefix)
        names = ("sub", "email", "email_verified", "name")
        return JSONResponse({name: claims[name] for name in names if name in claims})

    def _auth_methods(self, prefix: str) -> dict[str, list[str]]:
        """Return the supported client authentication methods. Apple accepts the secret only in the form."""
        methods = ("client_secret_post",) if prefix == "/apple" else self._issuer.auth_methods
        return {} if methods is None else {"token_endpoint_auth_methods_supported": list(methods)}

    def _is_valid_client(self, client_id: str, secret: str, prefix: str) -> bool:
        if prefix == "/apple":
            return dialects.is_apple_secret(self._issuer, client_id, secret)
        return self._issuer.clients.get(client_id) == secret

    def _redeem_code(self, form: dict[str, str], client_id: str) -> "Grant | None":
        """Return the grant of a code, once, if client, redirect URI and PKCE verifier match."""
        grant = self._issuer.grants.pop(form.get("code", ""), None)
        if grant is None or grant.client_id != client_id or grant.redirect_uri != form.get("redirect_uri"):
            return None
        verifier_digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if grant.challenge not in (None, encode_base64url(verifier_digest)):
            return None
        return grant


def _read_client_credentials(request: Request, form: dict[str, str]) -> tuple[str, str, str]:
    """Return client ID, secret and authentication method (RFC 6749, 2.3.1). A public client has no secret."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        name, _, secret = b64decode(encoded).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret), "client_secret_basic"
    secret = form.get("client_secret", "")
    return form.get("client_id", ""), secret, "client_secret_post" if secret else "none"


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"keys": ['
    piece = json.dumps({"kty": "oct", "kid": "x" * 60}).encode() + b","
    for _ in range(HUGE_BODY_SIZE // (len(piece) * 1000)):
        yield piece * 1000


def _hidden_inputs(values: dict[str, str]) -> str:
    return "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in values.items())


def _approval_page(parameters: dict[str, str], users: Any) -> str:
    buttons = "".join(
        f'<p><button name="person" value="{escape(each.subject)}">{escape(f"{each.name} · {each.email}")}</button></p>'
        for each in users
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in - OIDC emulator</title>'
        f"<h1>Choose an account</h1><p>This is an emulated identity provider for development.</p>"
        f'<form method="post">{_hidden_inputs(parameters)}{buttons}</form></html>'
    )


def _form(action: str, values: dict[str, str]) -> str:
    return (
        '<!doctype html><html lang="en"><body>'
        f'<form method="post" action="{escape(action)}">{_hidden_inputs(values)}</form>'
        "<script>document.forms[0].submit()</script></body></html>"
    )
