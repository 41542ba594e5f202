"""Factories for tests of tenant isolation."""

from undercroft.modules.mfa.models import Passkey
from undercroft.testing.attack import new_row

IDS = {"passkey_id": new_row(Passkey)}
