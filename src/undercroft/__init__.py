"""A backend for SaaS products on FastAPI, SQLModel and PostgreSQL."""

__version__ = "0.2.0"
