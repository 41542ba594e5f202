"""Sign-ins under way: kept by the browser that began them, sealed, for a few minutes, and finished once.

What must come back (state), what the provider must repeat (nonce) and what proves that it is us (PKCE) are in a cookie
that no script and no other browser reads; nothing is written for those who never come back.
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
    """One sign-in under way. `user_id` and `session_id` are those of somebody who links another identity."""

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
        """What is remembered once it was finished."""
        return hash_token(f"state {self.state}")


def callback_url(provider: str) -> str:
    """Where the provider sends browsers back to; this address is registered there."""
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
    """A new sign-in. Raises `ReturnUrlNotAllowed`."""
    require_allowed_return_url(return_to, kind)
    flow = Flow(callback_url(provider))
    expires_at = (utc_now() + FLOW_LIFETIME).timestamp()
    return OAuthFlowState(
        provider, flow.state, flow.nonce, flow.verifier, return_to, kind, expires_at, challenge, user_id, session_id
    )


def store(response: Response, begun: OAuthFlowState) -> None:
    """Give it to the browser; each has a cookie of its own, so that two tabs do not get in each other's way."""
    name = _cookie_name(begun.state)
    sealed = keyring(PURPOSE).encrypt(msgspec.json.encode(begun), context=name)
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
    """Take the cookie back."""
    response.delete_cookie(_cookie_name(state), path="/", secure=is_secure(), httponly=True, samesite="lax")


def resume(request: Request, provider: str, state: str) -> OAuthFlowState:
    """What this browser began with this state. Raises `SocialSignInFailed`."""
    name = _cookie_name(state)
    try:
        sealed = urlsafe_b64decode(request.cookies.get(name, ""))
        begun = msgspec.json.decode(keyring(PURPOSE).decrypt(sealed, context=name), type=OAuthFlowState)
    except (ValueError, DecryptionError, msgspec.MsgspecError):
        raise SocialSignInFailed from None
    if (
        not constant_time_compare(begun.state, state)
        or begun.provider != provider
        or begun.expires_at < utc_now().timestamp()
    ):
        raise SocialSignInFailed
    return begun


def require_allowed_return_url(target: str, kind: SessionKind) -> None:
    """Raises `ReturnUrlNotAllowed` unless this is a path of ours or, for an app with a code, a listed address."""
    if kind is SessionKind.BEARER and target in load(SocialSettings).social_redirect_uris:
        return
    if not is_local_path(target):
        raise ReturnUrlNotAllowed


def _cookie_name(state: str) -> str:
    suffix = hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{'__Host-' if is_secure() else ''}uc_flow_{suffix}"
