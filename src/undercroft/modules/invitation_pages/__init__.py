"""The page behind a mailed invitation: accept it as who one is, or as somebody new."""

REQUIRES = ("users", "teams", "auth")
