"""Administration of background jobs and schedules: view, retry, cancel."""
