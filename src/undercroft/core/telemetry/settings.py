"""How much is logged, how it looks, and who may read the metrics."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, SecretStr

from undercroft.core.settings import SettingsBase


class TelemetrySettings(SettingsBase):
    section = "Logs and metrics"

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe that is told."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is JSON in production and readable lines elsewhere."
    )
    log_slow_request: float = Field(1, gt=0, description="Seconds from which a request is reported as slow.")
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Bearer token for `/metrics`; when empty, only this machine may read them, not through a proxy.",
    )

    def production_faults(self) -> Iterator[str]:
        if 0 < len(self.metrics_token.get_secret_value()) < 16:
            yield "METRICS_TOKEN is too weak: use at least 16 random characters, or leave it empty."
