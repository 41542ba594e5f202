"""The backend a Python SaaS starts with and never outgrows."""

__version__ = "0.1.0"
