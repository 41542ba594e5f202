"""State of OAuth flows, stored encrypted in a cookie of the browser that started them.

The cookie contains `state`, `nonce` and the PKCE verifier. It is HTTP-only and expires after ten minutes. The database
stores nothing about flows that are never completed.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.db import utc_now
from undercroft.core.http.local_paths import is_local_path
from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.security.tokens import constant_time_compare, hash_token
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth import SessionKind, is_secure
from undercroft.modules.identities.errors import ReturnUrlNotAllowed
from undercroft.providers.identity import Flow, SocialSettings, SocialSignInFailed

FLOW_LIFETIME = timedelta(minutes=10)
PURPOSE = "social sign-in"


class OAuthFlowState(msgspec.Struct, frozen=True):
    """One OAuth flow. `user_id` and `session_id` are set when a signed-in user links another identity."""

    provider: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    kind: SessionKind
    expires_at: float
    challenge: str | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None

    @property
    def flow(self) -> Flow:
        return Flow(callback_url(self.provider), self.state, self.nonce, self.verifier)

    @property
    def mark(self) -> bytes:
        """The hash that is stored once the flow is completed, so that it completes only once."""
        return hash_token(f"state {self.state}")


def callback_url(provider: str) -> str:
    """Return the redirect URI, which must be registered with the provider."""
    return f"{load(CoreSettings).public_url}/api/v1/auth/social/{provider}/callback"


def begin(
    provider: str,
    *,
    return_to: str,
    kind: SessionKind,
    challenge: str | None = None,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
) -> OAuthFlowState:
    """Start a flow. Raises `ReturnUrlNotAllowed`."""
    require_allowed_return_url(return_to, kind)
    flow = Flow(callback_url(provider))
    expires_at = (utc_now() + FLOW_LIFETIME).timestamp()
    return OAuthFlowState(
        provider, flow.state, flow.nonce, flow.verifier, return_to, kind, expires_at, challenge, user_id, session_id
    )


def store(response: Response, flow_state: OAuthFlowState) -> None:
    """Set the flow's cookie. Each flow has its own cookie, so that flows in two tabs do not interfere."""
    name = _cookie_name(flow_state.state)
    sealed = keyring(PURPOSE).encrypt(msgspec.json.encode(flow_state), context=name)
    response.set_cookie(
        name,
        urlsafe_b64encode(sealed).decode(),
        max_age=int(FLOW_LIFETIME.total_seconds()),
        path="/",
        secure=is_secure(),
        httponly=True,
        samesite="lax",
    )


def clear(response: Response, state: str) -> None:
    """Delete the flow's cookie."""
    response.delete_cookie(_cookie_name(state), path="/", secure=is_secure(), httponly=True, samesite="lax")


def resume(request: Request, provider: str, state: str) -> OAuthFlowState:
    """Return the flow that this browser started with this state. Raises `SocialSignInFailed`."""
    name = _cookie_name(state)
    try:
        sealed = urlsafe_b64decode(request.cookies.get(name, ""))
        flow_state = msgspec.json.decode(keyring(PURPOSE).decrypt(sealed, context=name), type=OAuthFlowState)
    except (ValueError, DecryptionError, msgspec.MsgspecError):
        raise SocialSignInFailed from None
    if (
        not constant_time_compare(flow_state.state, state)
        or flow_state.provider != provider
        or flow_state.expires_at < utc_now().timestamp()
    ):
        raise SocialSignInFailed
    return flow_state


def require_allowed_return_url(target: str, kind: SessionKind) -> None:
    """Raise `ReturnUrlNotAllowed` unless the target is local or, for bearer sessions, in SOCIAL_REDIRECT_URIS."""
    if kind is SessionKind.BEARER and target in load(SocialSettings).social_redirect_uris:
        return
    if not is_local_path(target):
        raise ReturnUrlNotAllowed


def _cookie_name(state: str) -> str:
    suffix = hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{'__Host-' if is_secure() else ''}uc_flow_{suffix}"
