"""Settings of the extension. The prefix is its name, so that they cannot collide with others.

Administrators can change those in `runtime` while the application runs.
"""

from pydantic import Field

from undercroft.core.http import RateText
from undercroft.core.settings import SettingsBase, SettingsConfigDict


class ExampleSettings(SettingsBase):
    section = "Example: room bookings"
    runtime = ("company_domain", "rate_limit_bookings")

    model_config = SettingsConfigDict(env_prefix="example_")

    opens: int = Field(8, ge=0, le=23, description="Hour of the day in UTC at which rooms open.")
    closes: int = Field(20, ge=1, le=24, description="Hour of the day in UTC at which rooms close.")
    keep_days: int = Field(90, ge=1, description="Days for which past bookings are retained.")
    company_domain: str = Field("", description="Domain of the addresses that can sign up. If empty, all can.")
    rate_limit_bookings: RateText = Field("30/minute", description="Bookings per user.")
