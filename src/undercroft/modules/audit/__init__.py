"""The append-only audit log: entries record who did what to which object, in the transaction of the change."""

from undercroft.core import Module

MODULE = Module(requires=("users", "teams"))
