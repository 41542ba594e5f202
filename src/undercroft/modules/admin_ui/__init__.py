"""`/admin` for people: signing in with one's own account, and the gate before what modules' `admin.py` show."""

REQUIRES = ("users", "teams", "auth", "mfa")
