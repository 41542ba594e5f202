"""An issuer's public keys (RFC 7517), from its JWKS endpoint."""

from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from undercroft.providers.http_client import HttpClient, HttpClientError
from undercroft.providers.identity.cached_document import CachedDocument

MAX_KEYS = 100
MAX_MODULUS_LENGTH = 1400
"""Longest modulus that is decoded, in characters: one of 8192 bits has 1366."""
RSA_BITS = range(2048, 8193)
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
EC_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ALGORITHMS = RSA_ALGORITHMS | {*EC_ALGORITHMS.values(), "EdDSA"}
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
KeySet = dict[tuple[str, str], PublicKey]
"""Keys by key ID and algorithm, so that a key is only used with its own algorithm."""


class Jwks:
    """Caches an issuer's keys. An unknown key ID triggers at most one request in the document's minimum interval.

    `on_key_removed` is called when the issuer no longer publishes a cached key.
    """

    def __init__(self, address: Callable[[], Awaitable[str]], http_client: HttpClient) -> None:
        self._get_jwks_uri = address
        self._http_client = http_client
        self.on_key_removed: Callable[[], None] = lambda: None
        self.document = CachedDocument("jwks", self._fetch)

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

        A token without a key ID does not show that it was signed with a new key.
        """
        await self.document.refetch(newer_than=self.document.now())
        found = self.get_cached_key("", alg)
        return None if found == key else found

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
        if any(keys.get(name) != key for name, key in known.items()):
            self.on_key_removed()
        return keys


def parse_keys(content: dict[str, Any]) -> KeySet:
    """Parse the public signing keys of a JWK Set. All other keys are ignored.

    A key without `alg` is used with every algorithm of its type, as issuers may omit it (RFC 7517, section 4.4).
    """
    listed = content.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        return {}
    keys: KeySet = {}
    for number, jwk in enumerate(listed):
        if isinstance(jwk, dict) and jwk.get("use", "sig") == "sig" and (key := _parse_key(jwk)):
            named = jwk.get("alg")
            for alg in _list_algorithms(key):
                if named in (None, alg):
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


def _parse_key(jwk: dict[str, Any]) -> PublicKey | None:
    try:
        if len(jwk.get("n", "")) > MAX_MODULUS_LENGTH:
            return None
        key = PyJWK({name: value for name, value in jwk.items() if name != "alg"}).key
    except (PyJWTError, KeyError, TypeError, ValueError):
        return None
    return key if isinstance(key, PublicKey) else None


def _list_algorithms(key: PublicKey) -> frozenset[str]:
    if isinstance(key, RSAPublicKey):
        return RSA_ALGORITHMS if key.key_size in RSA_BITS else frozenset()
    if isinstance(key, EllipticCurvePublicKey):
        return frozenset({EC_ALGORITHMS[key.curve.name]} if key.curve.name in EC_ALGORITHMS else ())
    return frozenset({"EdDSA"})
