"""Prometheus metrics.

If `PROMETHEUS_MULTIPROC_DIR` is set to an empty folder, the metrics of several workers are aggregated.
"""

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS = Counter("http_requests", "HTTP requests served.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Duration of HTTP requests in seconds.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REQUESTS_IN_PROGRESS = Gauge("http_requests_in_progress", "HTTP requests in progress.", multiprocess_mode="livesum")
RATE_LIMITED = Counter("http_rate_limited", "HTTP requests refused by a rate limit.", ["limit"])
DEPRECATED_INPUTS = Counter(
    "http_deprecated_inputs",
    "Deprecated parameters and body fields in HTTP requests.",
    ["method", "route", "place", "name"],
)


def exposition() -> bytes:
    """All metrics in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
