"""A software authenticator with the real WebAuthn formats, to test passkeys without a browser.

key = Authenticator("https://example.com")
options = (await client.post("/api/v1/auth/passkeys/options")).json()["options"]
await client.post("/api/v1/auth/passkeys", json={"name": "Key", "credential": key.create(options)})
...
await client.post("/api/v1/auth/passkeys/sign-in", json={"passkey": key.sign(options)})
"""

import json
import secrets
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from undercroft.core.security.tokens import encode_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ZERO_AAGUID = bytes(16)


@dataclass
class Credential:
    """A key pair for one domain and one user."""

    id: bytes
    domain: str
    user_handle: bytes
    key: ec.EllipticCurvePrivateKey
    count: int = 0


@dataclass
class Authenticator:
    """Creates credentials (ES256, attestation `none`) and signs with them, for a page of `origin`.

    `step` is added to the counter at each signature; 0 is an authenticator without a counter. `user_verification` is
    whether it verifies the user, for example by a PIN. `id_length` is the length of credential IDs in bytes.
    """

    origin: str
    step: int = 1
    user_verification: bool = True
    id_length: int = 32
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any], **client_data: Any) -> dict[str, Any]:
        """Return the JSON result of `navigator.credentials.create()`. `client_data` overrides the browser's values."""
        made = Credential(
            secrets.token_bytes(self.id_length),
            options["rp"]["id"],
            base64url_decode(options["user"]["id"]),
            ec.generate_private_key(ec.SECP256R1()),
        )
        self.credentials.append(made)
        attested = ZERO_AAGUID + len(made.id).to_bytes(2) + made.id + cose_key(made.key)
        data = self._authenticator_data(made, ATTESTED) + attested
        client_data_json = self._client_data("webauthn.create", options["challenge"], client_data)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": encode_base64url(client_data_json),
            "attestationObject": encode_base64url(attestation),
            "transports": ["usb"],
        }
        return self._credential_json(made, response)

    def sign(self, options: dict[str, Any], **client_data: Any) -> dict[str, Any]:
        """Return the JSON result of `navigator.credentials.get()`, signed with the first allowed credential."""
        allowed = {base64url_decode(each["id"]) for each in options.get("allowCredentials") or []}
        chosen = next(each for each in self.credentials if not allowed or each.id in allowed)
        chosen.count += self.step
        data = self._authenticator_data(chosen, 0)
        client_data_json = self._client_data("webauthn.get", options["challenge"], client_data)
        signature = chosen.key.sign(data + sha256(client_data_json).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": encode_base64url(client_data_json),
            "authenticatorData": encode_base64url(data),
            "signature": encode_base64url(signature),
            "userHandle": encode_base64url(chosen.user_handle),
        }
        return self._credential_json(chosen, response)

    def _authenticator_data(self, credential: Credential, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.user_verification else 0)
        return sha256(credential.domain.encode()).digest() + bytes([flags]) + credential.count.to_bytes(4)

    def _client_data(self, kind: str, challenge: str, changed: dict[str, Any]) -> bytes:
        client_data_json = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**client_data_json, **changed}).encode()

    @staticmethod
    def _credential_json(credential: Credential, response: dict[str, Any]) -> dict[str, Any]:
        name = encode_base64url(credential.id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}


def cose_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as a COSE key (RFC 9053, 7.1): EC2, ES256, P-256."""
    numbers = key.public_key().public_numbers()
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})


def base64url_decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
