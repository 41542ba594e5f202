"""Middleware, one small pure ASGI class each; `core.http.stack` sets their order."""
