"""The files of the built console, which `make console` writes: compressed, with a manifest."""

import gzip
from functools import lru_cache
from pathlib import Path

import msgspec

from undercroft.core.http import build_csp

FOLDER = Path(__file__).parents[1] / "build"
MANIFEST = "manifest.json"
NOT_FOUND = "404.html"


class File(msgspec.Struct, frozen=True):
    """A file of the build; `scripts` are the hashes of the scripts in a page, as in CSP."""

    type: str
    digest: str
    scripts: tuple[str, ...] = ()

    @property
    def csp(self) -> str:
        """The Content-Security-Policy of a page: scripts of this site only, and those that the build wrote into it."""
        scripts = " ".join(("'self'", *(f"'{each}'" for each in self.scripts)))
        return build_csp(script_src=scripts, connect_src="'self'", manifest_src="'self'")


class Manifest(msgspec.Struct, frozen=True):
    """All files by path."""

    files: dict[str, File]


def read_manifest() -> Manifest:
    """Return the manifest of the build as it is now: `make console` may have written another one."""
    return _decode_manifest((FOLDER / MANIFEST).stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _decode_manifest(_modified: int) -> Manifest:
    return msgspec.json.decode((FOLDER / MANIFEST).read_bytes(), type=Manifest)


def find_file(path: str) -> str | None:
    """Return the name of the file for a path below `/app/`; None if there is none."""
    name = f"{path}index.html" if path == "" or path.endswith("/") else path
    return name if name in read_manifest().files else None


def is_folder(path: str) -> bool:
    """Whether a page is at this path with a slash at its end."""
    return f"{path}/index.html" in read_manifest().files


def is_immutable(name: str) -> bool:
    """Whether the name of a file contains a hash of its content."""
    return name.startswith(("_next/static/chunks/", "_next/static/media/"))


def read_file(name: str, encoding: str) -> bytes:
    """Return a file, encoded with `br`, `gzip` or not at all."""
    return _read_file(name, encoding, read_manifest().files[name].digest)


@lru_cache(maxsize=512)
def _read_file(name: str, encoding: str, _digest: str) -> bytes:
    content = (FOLDER / f"{name}.{'br' if encoding == 'br' else 'gz'}").read_bytes()
    return content if encoding else gzip.decompress(content)
