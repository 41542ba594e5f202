"""The public keys that verify access tokens."""

from fastapi import Response

from undercroft.core.http import Router
from undercroft.core.settings import load
from undercroft.modules.auth.responses import SIGN_IN
from undercroft.modules.auth.schemas import JwkSet
from undercroft.modules.auth.services import AuthServicesDep
from undercroft.modules.auth.settings import AuthSettings

keys = Router(surface="root", tag=SIGN_IN, include_in_schema=True)


@keys.get("/.well-known/jwks.json", response_model=JwkSet, summary="Get the JSON Web Key Set")
async def read_public_keys(auth_services: AuthServicesDep) -> Response:
    """Returns the public keys as a JWK Set (RFC 7517).

    A key is listed before it signs tokens, and until the last token that it signed expires.
    """
    headers = {"Cache-Control": f"public, max-age={load(AuthSettings).jwks_cache_seconds}"}
    return Response(await auth_services.keys.jwks(), media_type="application/json", headers=headers)
