"""A pytest plugin that replaces `fastapi.FastAPI` by Undercroft's application.

What an application can choose is chosen as FastAPI does: bodies of errors (by exception handlers), operation IDs, the
OpenAPI document and its pages, generous limits. Everything else runs on `Api`.
"""

import io
import os
from typing import Any

import fastapi
import fastapi.applications
from fastapi.datastructures import DefaultPlaceholder
from fastapi.utils import generate_unique_id

from undercroft.core.context import AppContext
from undercroft.core.http.application import Api
from undercroft.core.telemetry import logs

Original = fastapi.FastAPI
OWN = frozenset({"context", "surface", "state", "middleware_stack"})
"""Attributes that the constructor of `Api` sets."""
SETTINGS = {
    "ENVIRONMENT": "test",
    "PUBLIC_URL": "http://testserver",
    "RATE_LIMIT_SCALE": "1000000",
    "MAX_BODY_SIZE": "1000000000",
}


class FastAPI(Api):
    """`Api` with the constructor and the documentation of FastAPI."""

    openapi = Original.openapi
    setup = Original.setup

    def __init__(self, **options: Any) -> None:
        super().__init__(version=options.get("version", "0.1.0"), context=AppContext({**os.environ, **SETTINGS}))
        original = Original(**options)
        vars(self).update({name: value for name, value in vars(original).items() if name not in OWN})
        self.router.dependency_overrides_provider = self
        if isinstance(self.router.generate_unique_id_function, DefaultPlaceholder):
            self.router.generate_unique_id_function = generate_unique_id
        self.router.routes[:] = options.get("routes") or []
        self.setup()


logs.configure(stream=io.StringIO())
fastapi.FastAPI = fastapi.applications.FastAPI = FastAPI  # type: ignore[misc]
