"""How much is logged, how it looks, and who may read the metrics."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, SecretStr

from undercroft.core.settings import SettingsBase


class TelemetrySettings(SettingsBase):
    section = "Logs and metrics"

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lines less severe than this are left out: `debug`, `info`, `warning` or `error`."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`, `console` (readable lines) or `auto`: JSON in production, else readable lines."
    )
    log_slow_request: float = Field(1, gt=0, description="Seconds from which a request is logged as slow.")
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="The bearer token that opens `/metrics`. Without it they open to this machine only.",
    )

    def production_errors(self) -> Iterator[str]:
        if 0 < len(self.metrics_token.get_secret_value()) < 16:
            yield "METRICS_TOKEN is too weak: use at least 16 random characters, or leave it empty."
