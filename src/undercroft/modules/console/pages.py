"""The files of the console, below `/app`."""

from fastapi import Request, Response

from undercroft.core.http import Router
from undercroft.core.http.assets import IMMUTABLE
from undercroft.core.http.flash import see_other
from undercroft.core.http.middleware.compression import negotiate_encoding
from undercroft.modules.console.service.build import (
    NOT_FOUND,
    find_file,
    is_folder,
    is_immutable,
    read_file,
    read_manifest,
)
from undercroft.modules.console.service.extension_pages import read_page_file

CONSOLE = "/app"

pages = Router(surface="root", prefix=CONSOLE)


@pages.get("", limit=None)
async def redirect_to_console(request: Request) -> Response:
    return _add_slash(request)


@pages.get("/extensions/{module}/{name:path}", limit=None)
async def extension_file(module: str, name: str) -> Response:
    """Serve a file of an extension's pages."""
    file = read_page_file(module, name)
    headers = {"Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "same-origin", "ETag": file.etag}
    return Response(file.content, headers=headers, media_type=file.type)


@pages.get("/{path:path}", limit=None)
async def console_file(path: str, request: Request) -> Response:
    """Serve a file of the console; a page without the slash at its end redirects to it."""
    if is_folder(path):
        return _add_slash(request)
    found = find_file(path)
    status, name = (404, NOT_FOUND) if found is None else (200, found)
    file = read_manifest().files[name]
    encoding = negotiate_encoding(request.headers.get("accept-encoding", "").encode(), (b"br", b"gzip")).decode()
    headers = {
        "Cache-Control": IMMUTABLE if is_immutable(name) else "no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
        "ETag": f'W/"{file.digest}"',
        "Vary": "Accept-Encoding",
    }
    if encoding:
        headers["Content-Encoding"] = encoding
    if file.scripts:
        headers["Content-Security-Policy"] = file.csp
    return Response(read_file(name, encoding), status, headers, file.type)


def _add_slash(request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return see_other(f"{request.url.path}/{query}")
