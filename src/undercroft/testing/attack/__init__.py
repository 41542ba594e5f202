"""Attacks every route of an application with another tenant's identifiers.

    async def test_nobody_reaches_anothers_data(attack):
        await attack()

Somebody who has nothing to do with the victim sends the victim's ids in paths, queries, bodies and `X-Team-ID`, and the
same requests with ids that do not exist. Both must be answered alike, and with 404 where the path names the object; no
answer holds anything of the victim's; and the victim's rows stay as they are. The attacker also uses each route for
themselves, so that a list without a filter is found too.

What an id stands for is known for every `TenantOwned` model (`{project_id}` is a `Project`). For others say it once,
in `conftest.py`:

    register_id("invoice_id", Invoice)
    register_id("draft_id", Invoice, status="draft")
    id_factories["upload_id"] = make_upload      # async def make_upload(owner: Owner) -> UUID
    exclude_id("country_id", reason="countries are the same for all")

A route that must differ is excused with a reason: `attack.exempt("GET", "/api/v1/public/shared/{share_id}", "…")`.
"""

from undercroft.testing.attack.id_factories import Owner, id_factories, register_id
from undercroft.testing.attack.runner import Attack, IsolationViolation
from undercroft.testing.attack.samples import exclude_id

__all__ = ["Attack", "IsolationViolation", "Owner", "exclude_id", "id_factories", "register_id"]
