"""The page behind an emailed invitation: accept it with the current account or with a new one."""

REQUIRES = ("users", "teams", "auth")
