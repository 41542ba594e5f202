"""The admin interface at `/admin`: sign-in pages, and an access guard for the views of the modules' `admin.py`."""

REQUIRES = ("users", "teams", "auth", "mfa")
