"""Settings of logs and metrics."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, SecretStr

from undercroft.core.settings import SettingsBase


class TelemetrySettings(SettingsBase):
    section = "Logs and metrics"

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Minimum severity of logged lines: `debug`, `info`, `warning` or `error`."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="`json`, `console` (readable lines) or `auto`: JSON in production, otherwise `console`.",
    )
    log_slow_request: float = Field(1, gt=0, description="Duration in seconds from which a request is logged as slow.")
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Bearer token for `/metrics`. If empty, only this machine can read the metrics.",
    )

    def production_errors(self) -> Iterator[str]:
        if 0 < len(self.metrics_token.get_secret_value()) < 16:
            yield "METRICS_TOKEN is too weak: use at least 16 random characters, or leave it empty."
