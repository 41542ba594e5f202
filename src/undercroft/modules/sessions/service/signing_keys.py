"""The keys that sign access tokens: next, active, retired.

A `next` key is published in the JWKS for at least the cache lifetime of the document before it becomes `active`. A
`retired` key stays published until the last token that it signed has expired. So a rotation ends no session, and
verifiers with a cached document know every key in use. Every process reloads the table once a minute.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, utc_now
from undercroft.core.errors import ConfigurationError
from undercroft.core.periodic import Periodic
from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.security.tokens import encode_base64url
from undercroft.core.settings import load
from undercroft.modules.sessions.models import KeyState, SigningKey
from undercroft.modules.sessions.repository.sessions import SigningKeyRepository
from undercroft.modules.sessions.settings import SessionSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

KEY_SIZE = 2048
RELOAD_SECONDS = 60
RELOAD_COOLDOWN_SECONDS = 10
PURPOSE = "signing keys"


class ActiveKey(Struct, frozen=True):
    kid: str
    private: "RSAPrivateKey"

    def __repr__(self) -> str:
        return f"<ActiveKey {self.kid}>"


class SigningKeyService:
    """Creates, loads and rotates the signing keys. Tokens are signed and verified with those that it has loaded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keyring = keyring(PURPOSE)
        self._public: dict[str, RSAPublicKey] = {}
        self._active: ActiveKey | None = None
        self._lock = asyncio.Lock()
        self._is_loaded = False
        self._reloaded_at = float("-inf")
        self._jwks = _encode_jwks({})

    def start_reloading(self) -> None:
        """Reload the keys once a minute until `stop_reloading`."""
        self._periodic = Periodic("signing_keys", RELOAD_SECONDS, self.load)

    async def stop_reloading(self) -> None:
        await self._periodic.close()

    async def load(self) -> bool:
        """Load the keys; False if there is no active key. Raises `ConfigurationError` if it cannot be decrypted."""
        async with self._database.read_session() as session:
            rows = await SigningKeyRepository(session).list_published(utc_now() - retired_key_retention())
        self._public = {row.kid: _public_key(row.public_pem) for row in rows}
        self._jwks = _encode_jwks(self._public)
        self._is_loaded = True
        active = next((row for row in rows if row.state == KeyState.ACTIVE), None)
        if active is None:
            self._active = None
        elif self._active is None or self._active.kid != active.kid:
            self._active = ActiveKey(active.kid, self._unseal(active))
        return active is not None

    async def ensure(self) -> None:
        """Load the keys and create missing ones. Processes that start concurrently use the same keys."""
        async with self._lock:
            if not await self.load():
                new_keys = [await generate_key(), await generate_key()]
                await self._create_missing(new_keys)
                await self.load()
            await self._reencrypt()

    async def active(self) -> ActiveKey:
        """Return the active key."""
        if self._active is None:
            await self.ensure()
        assert self._active is not None
        return self._active

    def public(self, kid: str) -> "RSAPublicKey | None":
        return self._public.get(kid)

    async def get_key(self, kid: str) -> "RSAPublicKey | None":
        """Return a public key. Reloads the table for an unknown key, at most every ten seconds.

        Raises `DatabaseUnavailable` if the table was never loaded and cannot be read.
        """
        if kid not in self._public and self._may_reload():
            self._reloaded_at = time.monotonic()
            await self.load()
        return self._public.get(kid)

    async def jwks(self) -> bytes:
        """Return the published keys as a JWK Set (RFC 7517, 5)."""
        if not self._is_loaded:
            await self.load()
        return self._jwks

    async def all(self) -> Sequence[SigningKey]:
        """Return all keys, including retired ones, in order of creation."""
        async with self._database.read_session() as session:
            return await SigningKeyRepository(session).all()

    async def rotate(self, *, early: bool = False) -> tuple[str, str]:
        """Activate the next key and publish a new one. Returns the IDs of the active and the next key.

        Raises `ConfigurationError` if the next key has not been published for long enough, unless `early`.
        """
        new_key = await generate_key()
        async with self._database.session() as session:
            keys = SigningKeyRepository(session)
            rows = {row.state: row for row in await keys.lock_all()}
            if KeyState.NEXT not in rows or KeyState.ACTIVE not in rows:
                raise ConfigurationError("There are no signing keys. Start the server once to create them.")
            upcoming, active = rows[KeyState.NEXT], rows[KeyState.ACTIVE]
            self._unseal(upcoming)
            wait = (upcoming.created_at + publication_period() - utc_now()).total_seconds()
            if wait > 0 and not early:
                raise ConfigurationError(
                    "The next key was published too recently; verifiers may not have it yet. Try again in "
                    f"{int(wait) + 1} seconds, or use --early if only this installation verifies tokens."
                )
            retired = {"state": KeyState.RETIRED, "retired_at": utc_now(), "private_sealed": None}
            await keys.update(active, retired)
            await keys.update(upcoming, {"state": KeyState.ACTIVE, "activated_at": utc_now()})
            next_key = await keys.create(self._build_row(new_key, KeyState.NEXT))
            before = {"active": active.kid, "next": upcoming.kid}
            after = {"active": upcoming.kid, "next": next_key.kid}
            await record(session, Entry("signing_keys.rotated", target_type="signing_keys", before=before, after=after))
            return upcoming.kid, next_key.kid

    def _may_reload(self) -> bool:
        return not self._is_loaded or time.monotonic() - self._reloaded_at >= RELOAD_COOLDOWN_SECONDS

    async def _create_missing(self, new_keys: "list[RSAPrivateKey]") -> None:
        async with self._database.session() as session:
            keys = SigningKeyRepository(session)
            present = {row.state for row in await keys.lock_all()}
            created: dict[str, str] = {}
            for state, new_key in zip((KeyState.ACTIVE, KeyState.NEXT), new_keys, strict=True):
                if state not in present:
                    created[state.value] = (await keys.create(self._build_row(new_key, state))).kid
            if created:
                await record(session, Entry("signing_keys.created", target_type="signing_keys", after=created))

    async def _reencrypt(self) -> None:
        """Encrypt private keys again that are encrypted under an older SECRET_KEY."""
        if all(self._keyring.is_current(row.private_sealed) for row in await self.all() if row.private_sealed):
            return
        async with self._database.session() as session:
            for row in await SigningKeyRepository(session).lock_all():
                if row.private_sealed is not None and not self._keyring.is_current(row.private_sealed):
                    row.private_sealed = self._seal(row.kid, self._unseal(row))

    def _build_row(self, key: "RSAPrivateKey", state: KeyState) -> SigningKey:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        kid = key_id(key.public_key())
        return SigningKey(
            kid=kid,
            state=state,
            public_pem=key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            private_sealed=self._seal(kid, key),
            activated_at=utc_now() if state is KeyState.ACTIVE else None,
        )

    def _seal(self, kid: str, key: "RSAPrivateKey") -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._keyring.encrypt(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), context=kid)

    def _unseal(self, row: SigningKey) -> "RSAPrivateKey":
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        try:
            key = load_der_private_key(self._keyring.decrypt(row.private_sealed or b"", context=row.kid), password=None)
        except DecryptionError:
            raise ConfigurationError(
                "The signing keys in the database cannot be decrypted with this SECRET_KEY. "
                "Add the SECRET_KEY that they were created with to SECRET_KEYS."
            ) from None
        assert isinstance(key, RSAPrivateKey)
        return key


async def generate_key() -> "RSAPrivateKey":
    """Generate an RSA key pair in a thread; takes about 0.1 seconds."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return await asyncio.to_thread(generate_private_key, 65537, KEY_SIZE)


def publication_period() -> timedelta:
    """Return how long a key is published before it signs: the cache lifetime plus the reload interval."""
    return timedelta(seconds=load(SessionSettings).jwks_cache_seconds + RELOAD_SECONDS)


def retired_key_retention() -> timedelta:
    """Return how long a retired key stays published: until the last token of the last process to reload expires."""
    return load(SessionSettings).access_token_lifetime + timedelta(seconds=2 * RELOAD_SECONDS)


def key_id(key: "RSAPublicKey") -> str:
    """Return the thumbprint of the key (RFC 7638)."""
    jwk = _jwk(key)
    return encode_base64url(sha256(msgspec.json.encode({"e": jwk["e"], "kty": "RSA", "n": jwk["n"]})).digest())


def _public_key(pem: str) -> "RSAPublicKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    return key


def _encode_jwks(keys: "dict[str, RSAPublicKey]") -> bytes:
    jwks = [{**_jwk(key), "kid": kid, "use": "sig", "alg": "RS256"} for kid, key in keys.items()]
    return msgspec.json.encode({"keys": jwks})


def _jwk(key: "RSAPublicKey") -> dict[str, str]:
    from jwt.algorithms import RSAAlgorithm

    jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    return {name: jwk[name] for name in ("kty", "n", "e")}
