"""Copies of methods of services, which `undercroft eject TeamService.create` writes into an extension.

The copy calls the original if that checks access, or if the copied statements would need private names; the statements
of the original then follow as a comment. A comment above the copy has the hash of the original.
"""

from undercroft.app.service_copies.methods import ServiceMethod, find_method, list_service_names, names_a_service
from undercroft.app.service_copies.status import list_copies, mark_method_merged
from undercroft.app.service_copies.writing import choose_extension, write_override

__all__ = [
    "ServiceMethod",
    "choose_extension",
    "find_method",
    "list_copies",
    "list_service_names",
    "mark_method_merged",
    "names_a_service",
    "write_override",
]
