"""Static files with a content hash in their name, cached by browsers for a year and sent compressed."""

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from undercroft.core.context import current_context
from undercroft.core.errors import NotFound
from undercroft.core.http.middleware.compression import negotiate_encoding
from undercroft.core.http.route_info import declare

PREFIX = "/assets/"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
IMMUTABLE = "public, max-age=31536000, immutable"

CORE_ASSETS = Path(__file__).parent / "assets"


class Assets:
    """The asset files of an application, in the folders `assets` of the core and of its modules.

    Every process serves all of them: another one than rendered the page may get the request.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = (CORE_ASSETS, *folders)
        self._urls: dict[Path, str] = {}
        self._files: dict[str, Path] = {}

    def url(self, file: Path) -> str:
        """Return the URL path of this file: `/assets/pages.1f0c….css` for `pages.css`."""
        if file not in self._urls:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
            stem, suffix = split_name(file)
            name = f"{stem}.{digest}{suffix}"
            self._files[name] = file
            self._urls[file] = PREFIX + name
        return self._urls[file]

    def find(self, name: str) -> Path:
        """Return the file of this name, searched in all folders if it has no URL yet. Raises `NotFound`."""
        if name not in self._files:
            for file in self._find_candidates(name):
                self.url(file)
        if name not in self._files:
            raise NotFound
        return self._files[name]

    def _find_candidates(self, name: str) -> Iterator[Path]:
        stem, _, rest = name.partition(".")
        suffix = Path(rest).suffix
        if suffix in TYPES:
            wanted = (stem, suffix)
            yield from (file for folder in self._folders for file in folder.rglob("*") if split_name(file) == wanted)


CORE_ONLY = Assets()
"""The assets of an application without modules."""


def asset_url(file: Path) -> str:
    """Return the URL path of a file in a folder `assets`.

    A file that ends in `.gz` is stored and sent compressed, under its name without the suffix.
    """
    return _current_assets().url(file)


def _current_assets() -> Assets:
    return current_context().find(Assets) or CORE_ONLY


def split_name(file: Path) -> tuple[str, str]:
    """Stem and suffix of the name under which a file is served."""
    served_name = Path(file.name.removesuffix(".gz"))
    return served_name.stem, served_name.suffix


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    file = _current_assets().find(name)
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding", "Cross-Origin-Resource-Policy": "same-origin"}
    media_type = TYPES[Path(name).suffix]
    if negotiate_encoding(request.headers.get("accept-encoding", "").encode(), (b"gzip",)):
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
    return [declare(Route(PREFIX + "{name}", _serve, include_in_schema=False), limit=None)]
