"""Pages of the console that extensions bring, in their folder `console`: a manifest and ES modules."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from msgspec import Struct
from pydantic import ValidationError

from undercroft.core.auth.permissions import Permissions
from undercroft.core.context import current_context
from undercroft.core.errors import CodeError, NotFound
from undercroft.core.modules import ModuleFolders
from undercroft.modules.console.schemas import FILE_NAME, ConsolePage, ManifestPage, PageManifest

FOLDER, MANIFEST = "console", "manifest.json"
PREFIX = "/app/extensions"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""The files of the folder that browsers may read."""

_FILE_NAME = re.compile(FILE_NAME)


class PageFile(Struct, frozen=True):
    """A file of an extension's pages, with its media type and entity tag."""

    content: bytes
    type: str
    etag: str


def read_pages() -> list[ConsolePage]:
    """Return the pages of all extensions. Raises `CodeError` for an invalid manifest."""
    found = current_context().get(ModuleFolders).find(FOLDER)
    return [
        ConsolePage(**(page.model_dump() | {"script": f"{PREFIX}/{name}/{page.script}", "module": name}))
        for name, folder in found.items()
        for page in _read_manifest(folder)
    ]


def read_page_file(module: str, name: str) -> PageFile:
    """Return a file in the folder `console` of a module. Raises `NotFound`."""
    folder = current_context().get(ModuleFolders).find(FOLDER).get(module)
    if folder is None or Path(name).suffix not in TYPES or not _FILE_NAME.fullmatch(name):
        raise NotFound
    root, file = folder.resolve(), (folder / name).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise NotFound
    content = file.read_bytes()
    return PageFile(content, TYPES[file.suffix], f'W/"{hashlib.sha256(content).hexdigest()[:16]}"')


def _read_manifest(folder: Path) -> list[ManifestPage]:
    file = folder / MANIFEST
    if not file.is_file():
        raise CodeError(f"The folder has no {MANIFEST}, which lists its pages.", at=(str(folder), 1))
    pages = _parse_manifest(file, file.stat().st_mtime_ns)
    known = current_context().get(Permissions).by_name
    for page in pages:
        if page.permission is not None and page.permission not in known:
            raise CodeError(
                f"The page {page.path} needs {page.permission}, which no module declares.", at=(str(file), 1)
            )
    return pages


@lru_cache(maxsize=128)
def _parse_manifest(file: Path, _modified: int) -> list[ManifestPage]:
    try:
        pages = PageManifest.model_validate_json(file.read_bytes()).pages
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CodeError(
            f"The manifest is invalid: {place + ': ' if place else ''}{first['msg']}.", at=(str(file), 1)
        ) from None
    paths = [page.path for page in pages]
    for page in pages:
        if paths.count(page.path) > 1:
            raise CodeError(f"There are two pages called {page.path}. Rename one.", at=(str(file), 1))
        if "en" not in page.title:
            raise CodeError(f"The page {page.path} has no English title.", at=(str(file), 1))
        if Path(page.script).suffix != ".js" or not (file.parent / page.script).is_file():
            raise CodeError(
                f"The page {page.path} names {page.script}, which is no script in this folder.", at=(str(file), 1)
            )
    return pages
