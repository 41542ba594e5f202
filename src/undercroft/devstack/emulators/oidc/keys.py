"""The issuer's signing keys. Earlier keys stay published until they are withdrawn."""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def encode_bytes(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _encode_number(value: int, size: int | None = None) -> str:
    return encode_bytes(value.to_bytes(size or (value.bit_length() + 7) // 8))


@dataclass(frozen=True)
class Key:
    kid: str
    alg: str
    private: Any

    @property
    def jwk(self) -> dict[str, str]:
        """The public part as a JWK (RFC 7517)."""
        numbers = self.private.public_key().public_numbers()
        common = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if isinstance(self.private, RSAPrivateKey):
            return {"kty": "RSA", "n": _encode_number(numbers.n), "e": _encode_number(numbers.e), **common}
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": _encode_number(numbers.x, 32),
            "y": _encode_number(numbers.y, 32),
            **common,
        }

    @property
    def public_pem(self) -> bytes:
        pem: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem


class Keys:
    """RS256 and ES256 keys. A rotation creates new key IDs and a new EC key; the RSA key is reused, as it is slow."""

    def __init__(self) -> None:
        self._rsa = generate_rsa(65537, 2048)
        self.published: list[Key] = []
        self.current: dict[str, Key] = {}
        self.rotate()

    def rotate(self, *, withdraw: bool = False, rsa: bool = False) -> None:
        """Sign with new keys. `withdraw` removes the earlier ones; `rsa` also creates a new RSA key."""
        if withdraw:
            self.published.clear()
        if rsa:
            self._rsa = generate_rsa(65537, 2048)
        pair: list[tuple[str, RSAPrivateKey | EllipticCurvePrivateKey]] = [
            ("RS256", self._rsa),
            ("ES256", generate_private_key(SECP256R1())),
        ]
        self.current = {alg: Key(f"{alg.lower()}-{secrets.token_hex(6)}", alg, private) for alg, private in pair}
        self.published += self.current.values()

    def jwks(self, *, with_ids: bool = True) -> dict[str, Any]:
        """Return the JWK Set, in which `kid` is optional (RFC 7517, 4.5)."""
        keys = [key.jwk for key in self.published]
        return {"keys": keys if with_ids else [{k: v for k, v in key.items() if k != "kid"} for key in keys]}


def private_pem(key: Any) -> str:
    """Return the key as unencrypted PKCS#8 in PEM format."""
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def new_ec_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())
