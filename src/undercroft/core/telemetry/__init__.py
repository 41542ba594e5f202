"""What the running program tells: logs and metrics."""
