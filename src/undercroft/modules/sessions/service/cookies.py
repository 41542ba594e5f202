"""Cookies of this host."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Generic, TypeVar

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.settings import CoreSettings, load

T = TypeVar("T", bound=msgspec.Struct)


class HostCookie:
    """A cookie that scripts cannot read and that browsers omit from cross-site requests except navigation.

    Over HTTPS its name begins with `__Host-`: browsers accept it only from this host (RFC 6265bis).
    """

    def __init__(self, base_name: str) -> None:
        self._base_name = base_name

    @property
    def name(self) -> str:
        return f"__Host-{self._base_name}" if _is_secure() else self._base_name

    def set(self, response: Response, value: str, *, lifetime: timedelta) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=int(lifetime.total_seconds()),
            path="/",
            secure=_is_secure(),
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=_is_secure(), httponly=True, samesite="lax")


class EncryptedCookie(HostCookie, Generic[T]):
    """A cookie with a value encrypted under SECRET_KEY for this purpose and cookie name."""

    def __init__(self, base_name: str, content_type: type[T], *, purpose: str) -> None:
        super().__init__(base_name)
        self._type = content_type
        self._purpose = purpose

    def encrypt(self, content: T) -> str:
        """Return the value of the cookie."""
        sealed = keyring(self._purpose).encrypt(msgspec.json.encode(content), context=self.name)
        return urlsafe_b64encode(sealed).decode()

    def read(self, request: HTTPConnection) -> T | None:
        """Return the content of the request's cookie; None if the cookie is missing or invalid."""
        try:
            sealed = urlsafe_b64decode(request.cookies.get(self.name, ""))
            return msgspec.json.decode(keyring(self._purpose).decrypt(sealed, context=self.name), type=self._type)
        except (ValueError, DecryptionError, msgspec.MsgspecError):
            return None


SESSION_COOKIE = HostCookie("uc_session")


def _is_secure() -> bool:
    """Whether cookies have the Secure attribute: always except in development over HTTP."""
    return load(CoreSettings).public_url.startswith("https://")
