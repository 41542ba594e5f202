"""Factories for tests of tenant isolation."""

from undercroft.modules.identities.models import ExternalIdentity
from undercroft.testing.attack import new_row

IDS = {"identity_id": new_row(ExternalIdentity, user_id=lambda owner: owner.person.user_id)}
