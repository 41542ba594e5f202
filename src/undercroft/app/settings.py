"""Settings of the server process."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class ServerSettings(SettingsBase):
    section = "Server"

    host: str = Field(
        "127.0.0.1", description="Address that `undercroft serve` listens on. Use 0.0.0.0 in a container."
    )
    port: int = Field(8000, ge=1, le=65535, description="Port that `undercroft serve` listens on.")
    web_concurrency: int = Field(1, ge=1, le=128, description="Number of server processes; at most one per core.")
    max_connections: int = Field(
        2048,
        ge=64,
        description="Maximum number of open connections per process. A single address may use a quarter of them, "
        "TRUSTED_PROXIES all. At the limit, a new connection replaces the one that has waited longest for its client.",
    )
    keep_alive_timeout: int = Field(
        75,
        ge=1,
        le=3600,
        description="Seconds that an idle connection stays open. Use a higher value than the proxy in front.",
    )
    shutdown_timeout: int = Field(
        10, ge=1, le=300, description="Seconds for requests in flight to finish after SIGTERM."
    )
    migrate_on_start: bool = Field(
        False,
        description="Apply migrations when the server or worker starts. Otherwise they refuse to start on an outdated "
        "schema.",
    )
