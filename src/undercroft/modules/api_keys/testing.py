"""Factories for tests of tenant isolation."""

from undercroft.modules.api_keys.models import ApiKey
from undercroft.testing.attack import new_row

IDS = {"key_id": new_row(ApiKey, user_id=lambda owner: owner.person.user_id)}
