"""An issuer's public keys (RFC 7517), from its JWKS endpoint."""

from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from undercroft.providers.http_client import HttpClient, HttpClientError
from undercroft.providers.identity.cached_document import CachedDocument

MAX_KEYS = 100
RSA_BITS = range(2048, 8193)
PublicKey = RSAPublicKey | EllipticCurvePublicKey
KeySet = dict[tuple[str, str], PublicKey]
"""Keys by key ID and algorithm, so that a key is only used with its own algorithm."""


class Jwks:
    """Caches an issuer's keys. An unknown key ID triggers at most one request in `min_interval` seconds.

    `on_key_removed` is called when the issuer no longer publishes a cached key.
    """

    def __init__(
        self,
        address: Callable[[], Awaitable[str]],
        http_client: HttpClient,
        *,
        min_interval: float = 10,
        max_age: float = 600,
        on_key_removed: Callable[[], None] = lambda: None,
    ) -> None:
        self._get_jwks_uri = address
        self._http_client = http_client
        self.on_key_removed = on_key_removed
        self.document = CachedDocument("jwks", self._fetch, min_interval=min_interval, max_age=max_age)

    def get_cached_key(self, kid: str, alg: str) -> PublicKey | None:
        """Return the key if it is cached. An empty `kid` matches the only key for `alg`, if there is exactly one."""
        return _find(self.document.value or {}, kid, alg)

    def refresh(self) -> None:
        """Fetch old keys again in the background, so that revoked keys are noticed."""
        if self.document.value is not None:
            self.document.refresh()

    async def get_key(self, kid: str, alg: str) -> PublicKey | None:
        """Return the key, fetching it if it is not cached. None means that the issuer publishes no such key.

        Raises `IdentityProviderUnavailable` when the keys could not be fetched.
        """
        began = self.document.now()
        found = _find(await self.document.get(), kid, alg)
        if found is None:
            await self.document.refetch(newer_than=began)
            found = self.get_cached_key(kid, alg)
        if found is None and self.document.failed:
            raise self.document.unavailable()
        return found

    async def get_replacement(self, key: PublicKey, alg: str) -> PublicKey | None:
        """Fetch the keys again and return the only key for `alg` if it is not `key`.

        A token without a key ID does not show that it was signed with a new key. Fetches start at most once in
        `min_interval` seconds.
        """
        await self.document.refetch(newer_than=self.document.now())
        found = self.get_cached_key("", alg)
        return None if _public_numbers(found) == _public_numbers(key) else found

    async def check(self) -> None:
        """Raise `IdentityProviderUnavailable` if the last fetch of the keys failed."""
        await self.document.get()
        if self.document.failed:
            raise self.document.unavailable()

    async def _fetch(self) -> KeySet:
        keys = parse_keys(await self._http_client.get_json(await self._get_jwks_uri()))
        if not keys:
            raise HttpClientError("the JWKS contains no usable key")
        known = self.document.value or {}
        if any(_public_numbers(keys.get(name)) != _public_numbers(key) for name, key in known.items()):
            self.on_key_removed()
        return keys


def parse_keys(content: dict[str, Any]) -> KeySet:
    """Parse the RS256 and ES256 signing keys of a JWK Set. All other keys are ignored."""
    listed = content.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        return {}
    keys: KeySet = {}
    for number, jwk in enumerate(listed):
        if isinstance(jwk, dict) and jwk.get("use", "sig") == "sig":
            alg, key = _parse_key(jwk)
            if key is not None and jwk.get("alg", alg) == alg:
                keys[_key_id(jwk, number), alg] = key
    return keys


def _find(keys: KeySet, kid: str, alg: str) -> PublicKey | None:
    if kid:
        return keys.get((kid, alg))
    matching = [key for (_, key_alg), key in keys.items() if key_alg == alg]
    return matching[0] if len(matching) == 1 else None


def _key_id(jwk: dict[str, Any], number: int) -> str:
    """Return the key ID, which is optional (RFC 7517, section 4.5), or one that is unique in the set."""
    kid = jwk.get("kid")
    return kid if isinstance(kid, str) and kid else f"\0{number}"


def _parse_key(jwk: dict[str, Any]) -> tuple[str, PublicKey | None]:
    try:
        if jwk.get("kty") == "RSA":
            key = RSAPublicNumbers(_decode_number(jwk["e"]), _decode_number(jwk["n"])).public_key()
            return "RS256", key if key.key_size in RSA_BITS else None
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256":
            return "ES256", EllipticCurvePublicNumbers(
                _decode_number(jwk["x"]), _decode_number(jwk["y"]), SECP256R1()
            ).public_key()
    except (KeyError, TypeError, ValueError):
        pass
    return "", None


def _decode_number(text: str) -> int:
    if len(text) > 1400:
        raise ValueError("the number is too large for a key")
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _public_numbers(key: PublicKey | None) -> Any:
    return key and key.public_numbers()
