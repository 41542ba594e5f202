"""The admin interface at `/admin`: sign-in pages, and an access guard for the views of the modules' `admin.py`."""

from undercroft.core import Module

MODULE = Module(requires=("users", "teams", "auth", "mfa"))
