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
"""By key id and algorithm, so that a key never verifies by another algorithm than its own."""


class Jwks:
    """Known keys cost no I/O. An unknown key id causes one request at most in `min_interval` seconds.

    `on_key_removed` is called when a key that was known is not published any more.
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
        """The key, if it is known here. Without `kid` it is the only key for `alg`, if there is exactly one."""
        return _find(self.document.value or {}, kid, alg)

    def refresh(self) -> None:
        """Ask for the keys again in the background when they are old, so that a withdrawal becomes known."""
        if self.document.value is not None:
            self.document.refresh()

    async def get_key(self, kid: str, alg: str) -> PublicKey | None:
        """The key, asking the issuer for one that is not known. None is an answer of the issuer's.

        Raises `IdentityProviderUnavailable` when the issuer could not be asked whether there is such a key.
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
        """Another key that is the only one for `alg` by now, asking the issuer at most once in `min_interval` seconds.

        A token without a key id does not tell that its key is new.
        """
        await self.document.refetch(newer_than=self.document.now())
        found = self.get_cached_key("", alg)
        return None if _public_numbers(found) == _public_numbers(key) else found

    async def check(self) -> None:
        """Raises `IdentityProviderUnavailable` when the keys could not be had when they were last asked for."""
        await self.document.get()
        if self.document.failed:
            raise self.document.unavailable()

    async def _fetch(self) -> KeySet:
        keys = parse_keys(await self._http_client.get_json(await self._get_jwks_uri()))
        if not keys:
            raise HttpClientError("the JWKS holds no key that can be used")
        known = self.document.value or {}
        if any(_public_numbers(keys.get(name)) != _public_numbers(key) for name, key in known.items()):
            self.on_key_removed()
        return keys


def parse_keys(content: dict[str, Any]) -> KeySet:
    """The keys of a JWK Set that sign with RS256 or ES256; all others are passed over."""
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
    fitting = [key for (_, its_alg), key in keys.items() if its_alg == alg]
    return fitting[0] if len(fitting) == 1 else None


def _key_id(jwk: dict[str, Any], number: int) -> str:
    """The key id, which is optional (RFC 7517, 4.5); else one that no other key of the set has."""
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
        raise ValueError("larger than any key in use")
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _public_numbers(key: PublicKey | None) -> Any:
    return key and key.public_numbers()
