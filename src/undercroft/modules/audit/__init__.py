"""The audit log: who did what to which object, kept in the transaction of the change and never altered."""

REQUIRES = ("users", "teams")
