"""Tests tenant isolation: attacks every route of an application with the IDs of another tenant.

    async def test_tenants_are_isolated(attack):
        await attack()

An attacker from another team sends the victim's IDs in paths, queries, bodies and `X-Team-ID`, and then the same
requests with IDs that do not exist. Both responses must be equal, and 404 if the path contains the ID. No response may
contain data of the victim, and the victim's rows must not change. The attacker also requests each route with their own
IDs, to find lists without a tenant filter.

The victim has a row of every `TenantOwned` model (`{project_id}` is the ID of a `Project`), and of what a module
declares in its file `testing.py`; `undercroft check` requires it for every table with a `team_id`:

    IDS = {
        "invoice_id": new_row(Invoice),
        "draft_id": new_row(Invoice, status="draft"),
        "upload_id": make_upload,                # async def make_upload(owner: Owner) -> UUID
    }
    SHARED_IDS = {"country_id": "countries are the same for all"}

To exempt a route, give a reason: `attack.exempt("GET", "/api/v1/public/shared/{share_id}", "…")`.
"""

from undercroft.testing.attack.id_factories import IdFactory, Owner, new_row
from undercroft.testing.attack.runner import Attack, IsolationViolation

__all__ = ["Attack", "IdFactory", "IsolationViolation", "Owner", "new_row"]
