"""Stores the responses of POST requests with an `Idempotency-Key`; `core.http.idempotency` has the protocol."""

from undercroft.core import Module

MODULE = Module(optional=True)
