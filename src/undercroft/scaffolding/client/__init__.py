"""Clients of an application: a typed TypeScript package, and collections of requests for editors."""

from undercroft.scaffolding.client.collections import render_collections, write_collections
from undercroft.scaffolding.client.typescript import check_client, write_client

__all__ = ["check_client", "render_collections", "write_client", "write_collections"]
