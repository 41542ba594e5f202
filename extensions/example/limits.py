"""The named rate limits that routes use: `limit="bookings"`."""

from extensions.example.settings import ExampleSettings

from undercroft.core.settings import load

LIMITS = {"bookings": lambda: load(ExampleSettings).rate_limit_bookings}
