"""Stores the responses of POST requests with an `Idempotency-Key`; `core.http.idempotency` has the protocol."""

from undercroft.core.modules import Module

MODULE = Module()
