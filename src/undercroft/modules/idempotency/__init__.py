"""Keeps what POST requests with an `Idempotency-Key` were answered; the protocol is `core.http.idempotency`."""
