"""The usual life of an entity of a team: list, create, read, update, delete and restore, with permissions, audit
entries, events, optimistic locking and an admin view.

    class InvoiceResource(Resource[Invoice]):            # resources.py of a module
        "Invoices of the current team."

        model = Invoice
        readers, writers = ALL_ROLES, WRITERS
        searchable = ("number", "customer")
        sortable = ("created_at", "due_on")
        filters = ("status",)

        async def after_create(self, invoice: Invoice) -> None:
            await enqueue(self.session, send_invoice, invoice_id=invoice.id)

This serves `/api/v1/app/invoices` and declares the permissions `invoices:read` and `invoices:write`. Larger modules
override steps, pass their own schemas or repository, and add routes in `routes.py`.
"""

from undercroft.core.crud.repository import CrudRepository, Row
from undercroft.core.crud.resource import Caller, Resource, RowEvent

__all__ = ["Caller", "CrudRepository", "Resource", "Row", "RowEvent"]
