import os
import subprocess
import sys
from pathlib import Path

WORKER_PROGRAM = """
from undercroft.core.telemetry import metrics

metrics.REQUESTS.labels("GET", "/x", "200").inc(2)
metrics.REQUEST_SECONDS.labels("GET", "/x").observe(0.02)
metrics.REQUESTS_IN_PROGRESS.inc()
print(metrics.exposition().decode())
"""


def run_worker(folder: Path | None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    if folder is not None:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return subprocess.run(
        [sys.executable, "-c", WORKER_PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_metrics_of_all_workers_are_aggregated_in_a_shared_folder(tmp_path: Path) -> None:
    run_worker(tmp_path)
    reported = run_worker(tmp_path)

    assert 'http_requests_total{method="GET",route="/x",status="200"} 4.0' in reported
    assert 'http_request_duration_seconds_count{method="GET",route="/x"} 2.0' in reported


def test_worker_exposes_only_its_own_metrics_without_a_shared_folder() -> None:
    run_worker(None)

    assert 'http_requests_total{method="GET",route="/x",status="200"} 2.0' in run_worker(None)
