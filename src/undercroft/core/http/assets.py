"""Files for browsers: named by their content, cached for ever, kept compressed."""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from undercroft.core.errors import NotFound
from undercroft.core.http.limits import limit
from undercroft.core.http.middleware.compression import chosen

PREFIX = "/assets/"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
IMMUTABLE = "public, max-age=31536000, immutable"

_files: dict[str, Path] = {}


def asset(file: Path) -> str:
    """The address that this file is served at: `pages.css` as `/assets/pages.1f0c….css`.

    A file that ends in `.gz` is kept and sent compressed, under the name without it.
    """
    if str(file) not in _addresses:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        stem, suffix = Path(file.name.removesuffix(".gz")).stem, Path(file.name.removesuffix(".gz")).suffix
        name = f"{stem}.{digest}{suffix}"
        _files[name] = file
        _addresses[str(file)] = PREFIX + name
    return _addresses[str(file)]


_addresses: dict[str, str] = {}


@limit(None)
async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _files:
        raise NotFound
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding", "Cross-Origin-Resource-Policy": "same-origin"}
    media_type = TYPES[Path(name).suffix]
    if chosen(request.headers.get("accept-encoding", "").encode().replace(b"br", b"")):
        return Response(_compressed(name), media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(gzip.decompress(_compressed(name)), media_type=media_type, headers=headers)


@lru_cache(maxsize=32)
def _compressed(name: str) -> bytes:
    content = _files[name].read_bytes()
    return content if _files[name].suffix == ".gz" else gzip.compress(content, 9, mtime=0)


def routes() -> list[Route]:
    """The route that serves all assets; it stays out of the schema."""
    return [Route(PREFIX + "{name}", _serve, include_in_schema=False)]
