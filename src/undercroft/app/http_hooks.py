"""What a module declares for all requests of an application.

    EXCEPTION_HANDLERS = {PaymentDeclined: handle_declined}          in errors.py
    MIDDLEWARE = [RequestTimer, Middleware(Tenancy, option=1)]       in middleware.py, the outermost first

Handlers and pure ASGI middleware are those of FastAPI.
"""

from typing import Any

from starlette.middleware import Middleware

from undercroft.app.discovery import LoadedModule
from undercroft.core.errors import CodeError
from undercroft.core.http.application import Api

SHARED = frozenset({"builtins", "undercroft", "fastapi", "starlette", "pydantic", "sqlalchemy", "asyncpg"})
"""Packages whose exceptions any module may raise."""


def add_exception_handlers(app: Api, module: LoadedModule) -> None:
    """Add the exception handlers of a module. Raises `CodeError` for one that would handle errors of other modules."""
    part: Any = module.load_submodule("errors")
    for kind, handler in getattr(part, "EXCEPTION_HANDLERS", {}).items():
        _check(kind, app, part)
        app.add_exception_handler(kind, handler)


def add_middleware(app: Api, module: LoadedModule) -> None:
    """Add the middleware of a module, inside that of the modules before it. Raises `CodeError` if it is not pure."""
    part: Any = module.load_submodule("middleware")
    for each in getattr(part, "MIDDLEWARE", ()):
        given = each if isinstance(each, Middleware) else Middleware(each)
        app.add_middleware(given.cls, *given.args, **given.kwargs)
        app.user_middleware.append(app.user_middleware.pop(0))


def _check(kind: Any, app: Api, part: Any) -> None:
    name = getattr(kind, "__name__", kind)
    if not (isinstance(kind, type) and issubclass(kind, Exception)) or kind.__module__.partition(".")[0] in SHARED:
        raise CodeError(
            f"EXCEPTION_HANDLERS handles {name}, which other modules raise too. Handle an exception class of this "
            "module or of a package that only it uses.",
            at=part,
        )
    if kind in app.exception_handlers:
        raise CodeError(f"Two modules declare a handler of {name} in EXCEPTION_HANDLERS. Remove one.", at=part)
