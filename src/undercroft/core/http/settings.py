"""Settings of the HTTP server: origins, hosts, proxies, sizes, timeouts and rate limits."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from undercroft.core.http.rates import Rate
from undercroft.core.settings import CoreSettings, Environment, SettingsBase, load, split_list


def _check_origin(value: str) -> str:
    parts = urlsplit(value)
    if value != "*" and (
        parts.scheme not in ("http", "https") or not parts.netloc or value.endswith("/") or parts.path
    ):
        raise ValueError(f"{value!r} is not an origin: use https://app.example.com, without a path, or *")
    return value.lower()


def _check_network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"{value!r} is not an address or network: use 10.0.0.0/8 or 192.0.2.1") from None


Origins = Annotated[tuple[Annotated[str, AfterValidator(_check_origin)], ...], NoDecode, BeforeValidator(split_list)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(str.lower)], ...], NoDecode, BeforeValidator(split_list)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_check_network)], ...], NoDecode, BeforeValidator(split_list)]
RateText = Annotated[str, AfterValidator(lambda value: str(Rate.parse(value)))]
"""The type of settings that are rates, such as `60/minute`."""


class HttpSettings(SettingsBase):
    section = "HTTP"
    runtime = (
        *("cors_origins", "rate_limit_public", "rate_limit_auth", "rate_limit_app", "rate_limit_admin"),
        *("rate_limit_sign_in", "rate_limit_scale"),
    )

    cors_origins: Origins = Field(
        (),
        description="Origins whose pages may call the API (CORS), separated by commas: https://app.example.com. "
        "`*` allows all origins, without cookies.",
    )
    allowed_hosts: Hosts = Field(
        (),
        description="Accepted host names, separated by commas; `*.example.com` for all subdomains. If empty, the "
        "host of PUBLIC_URL; in development also IP addresses and localhost.",
    )
    trusted_proxies: Networks = Field(
        (), description="Addresses or networks of proxies that set X-Forwarded-For and X-Forwarded-Proto: 10.0.0.0/8."
    )
    max_body_size: int = Field(1_048_576, ge=1024, description="Maximum size of a request body in bytes.")
    request_timeout: float = Field(30, gt=0, description="Seconds within which a response must begin.")
    compression_min_size: int = Field(1024, ge=0, description="Minimum size in bytes of a compressed response.")
    compression: bool = Field(
        True, description="Compress responses (brotli, gzip). Turn off if a reverse proxy does it."
    )
    page_templates: Path = Field(
        Path("templates/pages"),
        description="Folder of templates that override the built-in pages at the same path.",
    )
    hsts: str = Field(
        "max-age=31536000; includeSubDomains",
        description="Value of Strict-Transport-Security in production; `off` omits the header.",
    )

    rate_limit_public: RateText = Field("60/minute", description="Public and root routes, per client address.")
    rate_limit_auth: RateText = Field("60/minute", description="Sign-in and sign-out routes, per user or address.")
    rate_limit_app: RateText = Field("120/minute", description="Routes of the application, per user.")
    rate_limit_admin: RateText = Field("120/minute", description="Admin routes, per user.")
    rate_limit_sign_in: RateText = Field(
        "5/minute",
        description="Sign-in attempts over all routes, per address or known device; the same rate for requested links.",
    )
    rate_limit_scale: float | None = Field(
        None, gt=0, le=1_000_000, description="Factor for all rate limits. If empty: 1, in development and tests 100."
    )

    @property
    def scale(self) -> float:
        if self.rate_limit_scale is not None:
            return self.rate_limit_scale
        return 1 if load(CoreSettings).environment is Environment.PRODUCTION else 100

    def production_errors(self) -> Iterator[str]:
        if "*" in self.allowed_hosts:
            yield "ALLOWED_HOSTS must list the hosts of this installation; * accepts forged Host headers."
        if any(network.endswith("/0") for network in self.trusted_proxies):
            yield "TRUSTED_PROXIES must not trust every address: list the networks of your proxies."
        if self.rate_limit_scale is not None and self.rate_limit_scale > 10:
            yield "RATE_LIMIT_SCALE above 10 effectively disables the rate limits; set individual limits instead."
        for origin in self.cors_origins:
            if origin.startswith("http://"):
                yield f"CORS_ORIGINS contains {origin}, which is not encrypted; use https://."
