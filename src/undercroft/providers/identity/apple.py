"""Apple's client secret: a JWT that is signed with the team's key for each use."""

import time

from undercroft.core.errors import ConfigurationError
from undercroft.providers.identity.settings import SocialSettings

SECRET_LIFETIME = 300


class AppleSecret:
    """Generates client secrets. Raises `ConfigurationError` when the key cannot be read."""

    def __init__(self, settings: SocialSettings) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self._settings = settings
        pem = settings.apple_private_key.get_secret_value().replace("\\n", "\n")
        try:
            key = load_pem_private_key(pem.encode(), None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ConfigurationError(
                "APPLE_PRIVATE_KEY is not a valid key. Paste the content of Apple's .p8 file (PEM)."
            )
        self._key = key

    def __call__(self) -> str:
        """Return a secret that is valid for five minutes."""
        import jwt

        settings, now = self._settings, int(time.time())
        claims = {
            "iss": settings.apple_team_id,
            "sub": settings.apple_client_id,
            "aud": settings.apple_issuer,
            "iat": now,
            "exp": now + SECRET_LIFETIME,
        }
        return jwt.encode(claims, self._key, "ES256", {"kid": settings.apple_key_id})
