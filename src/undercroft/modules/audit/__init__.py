"""The append-only audit log: entries record who did what to which object, in the transaction of the change."""

REQUIRES = ("users", "teams")
