"""State of OAuth flows, stored encrypted in a cookie of the browser that started them.

The cookie contains `state`, `nonce` and the PKCE verifier. It is HTTP-only and expires after ten minutes. The database
stores nothing about flows that are never completed.
"""

import hashlib
from datetime import timedelta
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.db import utc_now
from undercroft.core.http.same_site import is_local_path
from undercroft.core.security.tokens import constant_time_compare, hash_token
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.identities.errors import ReturnUrlNotAllowed
from undercroft.modules.sessions import EncryptedCookie, SessionKind
from undercroft.providers.identity import Flow, SocialSettings, SocialSignInFailed

FLOW_LIFETIME = timedelta(minutes=10)


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

    @classmethod
    def begin(
        cls,
        provider: str,
        *,
        return_to: str,
        kind: SessionKind,
        challenge: str | None = None,
        user_id: UUID | None = None,
        session_id: UUID | None = None,
    ) -> "OAuthFlowState":
        """Start a flow. Raises `ReturnUrlNotAllowed`."""
        _require_allowed_return_url(return_to, kind)
        flow = Flow(callback_url(provider))
        expires_at = (utc_now() + FLOW_LIFETIME).timestamp()
        return cls(
            provider, flow.state, flow.nonce, flow.verifier, return_to, kind, expires_at, challenge, user_id, session_id
        )

    @classmethod
    def resume(cls, request: Request, provider: str, state: str) -> "OAuthFlowState":
        """Return the flow that this browser started with this state. Raises `SocialSignInFailed`."""
        stored = flow_cookie(state).read(request)
        if (
            stored is None
            or not constant_time_compare(stored.state, state)
            or stored.provider != provider
            or stored.expires_at < utc_now().timestamp()
        ):
            raise SocialSignInFailed
        return stored

    def store(self, response: Response) -> None:
        cookie = flow_cookie(self.state)
        cookie.set(response, cookie.encrypt(self), lifetime=FLOW_LIFETIME)

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


def _require_allowed_return_url(target: str, kind: SessionKind) -> None:
    """Raise `ReturnUrlNotAllowed` unless the target is local or, for bearer sessions, in SOCIAL_REDIRECT_URIS."""
    if kind is SessionKind.BEARER and target in load(SocialSettings).social_redirect_uris:
        return
    if not is_local_path(target):
        raise ReturnUrlNotAllowed


def flow_cookie(state: str) -> EncryptedCookie[OAuthFlowState]:
    """Return the cookie of a flow. Each flow has its own, so that flows in two tabs do not interfere."""
    suffix = hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]
    return EncryptedCookie(f"uc_flow_{suffix}", OAuthFlowState, purpose="social sign-in")
