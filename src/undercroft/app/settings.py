"""Settings of the server process."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class ServerSettings(SettingsBase):
    section = "Server"

    host: str = Field(
        "127.0.0.1", description="The address that `undercroft serve` listens on; 0.0.0.0 in a container."
    )
    port: int = Field(8000, ge=1, le=65535, description="The port that it listens on.")
    web_concurrency: int = Field(1, ge=1, le=128, description="Server processes: at most one per core.")
    max_connections: int = Field(
        2048,
        ge=64,
        description="Open connections per process; one address gets a quarter of them, TRUSTED_PROXIES all. "
        "Beyond that a new one replaces the one that has waited longest for its client.",
    )
    keep_alive_timeout: int = Field(
        75, ge=1, le=3600, description="Seconds between two requests of a connection; more than the proxy in front."
    )
    shutdown_timeout: int = Field(
        10, ge=1, le=300, description="Seconds that requests in flight get to finish after SIGTERM."
    )
    migrate_on_start: bool = Field(
        False, description="Migrate before serving or working. Otherwise an old schema refuses to start."
    )
