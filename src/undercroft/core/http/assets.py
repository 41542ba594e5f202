"""Static files with a content hash in their name, cached by browsers for a year and sent compressed."""

import gzip
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from undercroft.core.errors import NotFound
from undercroft.core.http.limits import limit
from undercroft.core.http.middleware.compression import negotiate_encoding

PREFIX = "/assets/"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
IMMUTABLE = "public, max-age=31536000, immutable"

CORE_ASSETS = Path(__file__).parent / "assets"
_folders = [CORE_ASSETS]
_urls: dict[Path, str] = {}
_files: dict[str, Path] = {}


def add_assets(folder: Path) -> None:
    """Serve the files of this folder from every process: another one than rendered the page may get the request."""
    if folder not in _folders:
        _folders.append(folder)


def asset_url(file: Path) -> str:
    """The URL path of this file: `/assets/pages.1f0c….css` for `pages.css`.

    The file must be in a folder that was added. A file that ends in `.gz` is stored and sent compressed, under its name
    without the suffix.
    """
    if file not in _urls:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        stem, suffix = split_name(file)
        name = f"{stem}.{digest}{suffix}"
        _files[name] = file
        _urls[file] = PREFIX + name
    return _urls[file]


def split_name(file: Path) -> tuple[str, str]:
    """Stem and suffix of the name under which a file is served."""
    served_name = Path(file.name.removesuffix(".gz"))
    return served_name.stem, served_name.suffix


def _find_file(name: str) -> Path:
    """The file of this name, searched in all folders if this process has not linked it yet. Raises `NotFound`."""
    if name not in _files:
        for file in _find_candidates(name):
            asset_url(file)
    if name not in _files:
        raise NotFound
    return _files[name]


def _find_candidates(name: str) -> Iterator[Path]:
    stem, _, rest = name.partition(".")
    suffix = Path(rest).suffix
    if suffix in TYPES:
        yield from (file for folder in _folders for file in folder.rglob("*") if split_name(file) == (stem, suffix))


@limit(None)
async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    file = _find_file(name)
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding", "Cross-Origin-Resource-Policy": "same-origin"}
    media_type = TYPES[Path(name).suffix]
    if negotiate_encoding(request.headers.get("accept-encoding", "").encode().replace(b"br", b"")):
        return Response(_read_compressed(file), media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(_read_uncompressed(file), media_type=media_type, headers=headers)


@lru_cache(maxsize=8)
def _read_uncompressed(file: Path) -> bytes:
    """For clients that do not accept gzip. Cached, because decompressing for every request blocks other requests."""
    return gzip.decompress(_read_compressed(file))


@lru_cache(maxsize=32)
def _read_compressed(file: Path) -> bytes:
    content = file.read_bytes()
    return content if file.suffix == ".gz" else gzip.compress(content, 9, mtime=0)


def routes() -> list[Route]:
    """The route that serves all assets; it is not in the OpenAPI schema."""
    return [Route(PREFIX + "{name}", _serve, include_in_schema=False)]
