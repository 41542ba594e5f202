"""Tests tenant isolation: attacks every route of an application with the IDs of another tenant.

    async def test_tenants_are_isolated(attack):
        await attack()

An attacker from another team sends the victim's IDs in paths, queries, bodies and `X-Team-ID`, and then the same
requests with IDs that do not exist. Both responses must be equal, and 404 if the path contains the ID. No response may
contain data of the victim, and the victim's rows must not change. The attacker also requests each route with their own
IDs, to find lists without a tenant filter.

The model of an ID is known for every `TenantOwned` model (`{project_id}` is a `Project`). Register other IDs once, in
`conftest.py`:

    register_id("invoice_id", Invoice)
    register_id("draft_id", Invoice, status="draft")
    id_factories["upload_id"] = make_upload      # async def make_upload(owner: Owner) -> UUID
    exclude_id("country_id", reason="countries are the same for all")

To exempt a route, give a reason: `attack.exempt("GET", "/api/v1/public/shared/{share_id}", "…")`.
"""

from undercroft.testing.attack.id_factories import Owner, id_factories, register_id
from undercroft.testing.attack.runner import Attack, IsolationViolation
from undercroft.testing.attack.samples import exclude_id

__all__ = ["Attack", "IsolationViolation", "Owner", "exclude_id", "id_factories", "register_id"]
