"""The issuer's signing keys. Earlier keys stay published until they are withdrawn."""

import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms


@dataclass(frozen=True)
class Key:
    kid: str
    alg: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part as a JWK (RFC 7517)."""
        algorithm: Any = get_default_algorithms()[self.alg]
        return {
            **algorithm.to_jwk(self.private.public_key(), as_dict=True),
            "kid": self.kid,
            "use": "sig",
            "alg": self.alg,
        }

    @property
    def public_pem(self) -> bytes:
        pem: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem


class Keys:
    """A key for each algorithm. A rotation creates new keys and key IDs; the RSA key is reused, as it is slow."""

    def __init__(self) -> None:
        self._rsa = generate_rsa(65537, 2048)
        self.published: list[Key] = []
        self.current: dict[str, Key] = {}
        self.rotate()

    def rotate(self, *, withdraw: bool = False) -> None:
        """Sign with new keys. `withdraw` removes the earlier ones."""
        if withdraw:
            self.published.clear()
        private = {
            "RS256": self._rsa,
            "PS256": self._rsa,
            "ES256": generate_private_key(SECP256R1()),
            "ES384": generate_private_key(SECP384R1()),
            "EdDSA": Ed25519PrivateKey.generate(),
        }
        self.current = {alg: Key(f"{alg.lower()}-{secrets.token_hex(6)}", alg, key) for alg, key in private.items()}
        self.published += self.current.values()

    def jwks(self, *, with_ids: bool = True) -> dict[str, Any]:
        """Return the JWK Set, in which `kid` is optional (RFC 7517, 4.5)."""
        keys = [key.jwk for key in self.published]
        return {"keys": keys if with_ids else [{k: v for k, v in key.items() if k != "kid"} for key in keys]}


def new_ec_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())
