"""An issuer's public keys (RFC 7517), from its JWKS endpoint."""

from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from undercroft.providers.identity.documents import Document
from undercroft.providers.outgoing import Outgoing, Unreachable

MOST_KEYS = 100
RSA_BITS = range(2048, 8193)
PublicKey = RSAPublicKey | EllipticCurvePublicKey
Known = dict[tuple[str, str], PublicKey]
"""By key id and algorithm, so that a key never verifies by another algorithm than its own."""


class Jwks:
    """Known keys cost no I/O. An unknown key id causes one request at most in `pause` seconds.

    `on_withdrawn` is called when a key that was known is not published any more.
    """

    def __init__(
        self,
        address: Callable[[], Awaitable[str]],
        outgoing: Outgoing,
        *,
        pause: float = 10,
        fresh: float = 600,
        on_withdrawn: Callable[[], None] = lambda: None,
    ) -> None:
        self._address = address
        self._outgoing = outgoing
        self.on_withdrawn = on_withdrawn
        self.document = Document("jwks", self._fetch, pause=pause, fresh=fresh)

    def known(self, kid: str, alg: str) -> PublicKey | None:
        """The key, if it is known here. Without `kid` it is the only key for `alg`, if there is exactly one."""
        return _find(self.document.value or {}, kid, alg)

    def refresh(self) -> None:
        """Ask for the keys again in the background when they are old, so that a withdrawal becomes known."""
        if self.document.value is not None:
            self.document.refresh()

    async def seek(self, kid: str, alg: str) -> PublicKey | None:
        """The key, asking the issuer for one that is not known. None is an answer of the issuer's.

        Raises `IdentityProviderUnavailable` when the issuer could not be asked whether there is such a key.
        """
        began = self.document.now()
        found = _find(await self.document.get(), kid, alg)
        if found is None:
            await self.document.renew(than=began)
            found = self.known(kid, alg)
        if found is None and self.document.failed:
            raise self.document.unavailable()
        return found

    async def replaced(self, key: PublicKey, alg: str) -> PublicKey | None:
        """Another key that is the only one for `alg` by now, asking the issuer at most once in `pause` seconds.

        A token without a key id does not tell that its key is new.
        """
        await self.document.renew(than=self.document.now())
        found = self.known("", alg)
        return None if _numbers(found) == _numbers(key) else found

    async def check(self) -> None:
        """Raises `IdentityProviderUnavailable` when the keys could not be had when they were last asked for."""
        await self.document.get()
        if self.document.failed:
            raise self.document.unavailable()

    async def _fetch(self) -> Known:
        keys = usable_keys(await self._outgoing.document(await self._address()))
        if not keys:
            raise Unreachable("the JWKS holds no key that can be used")
        known = self.document.value or {}
        if any(_numbers(keys.get(name)) != _numbers(key) for name, key in known.items()):
            self.on_withdrawn()
        return keys


def usable_keys(content: dict[str, Any]) -> Known:
    """The keys of a JWK Set that sign with RS256 or ES256; all others are passed over."""
    listed = content.get("keys")
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        return {}
    keys: Known = {}
    for number, jwk in enumerate(listed):
        if isinstance(jwk, dict) and jwk.get("use", "sig") == "sig":
            alg, key = _key(jwk)
            if key is not None and jwk.get("alg", alg) == alg:
                keys[_name(jwk, number), alg] = key
    return keys


def _find(keys: Known, kid: str, alg: str) -> PublicKey | None:
    if kid:
        return keys.get((kid, alg))
    fitting = [key for (_, its_alg), key in keys.items() if its_alg == alg]
    return fitting[0] if len(fitting) == 1 else None


def _name(jwk: dict[str, Any], number: int) -> str:
    """The key id, which is optional (RFC 7517, 4.5); else one that no other key of the set has."""
    kid = jwk.get("kid")
    return kid if isinstance(kid, str) and kid else f"\0{number}"


def _key(jwk: dict[str, Any]) -> tuple[str, PublicKey | None]:
    try:
        if jwk.get("kty") == "RSA":
            key = RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
            return "RS256", key if key.key_size in RSA_BITS else None
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256":
            return "ES256", EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), SECP256R1()).public_key()
    except (KeyError, TypeError, ValueError):
        pass
    return "", None


def _number(text: str) -> int:
    if len(text) > 1400:
        raise ValueError("larger than any key in use")
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _numbers(key: PublicKey | None) -> Any:
    return key and key.public_numbers()
