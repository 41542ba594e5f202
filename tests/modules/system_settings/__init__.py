"""Settings that administrators change while the application runs."""
