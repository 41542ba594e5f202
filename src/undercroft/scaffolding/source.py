"""Where a project gets Undercroft from: an index, or what `--from` names."""

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from undercroft.core.errors import ConfigurationError

PACKAGE = "undercroft"
CHOICES = (
    "a folder with wheels (dist/), a wheel, a checkout of Undercroft, "
    "or a Git URL (git+https://example.com/undercroft.git@main)"
)


class Source(Struct, frozen=True):
    """The source of the dependency, as TOML for uv.

    `source` is the value in `[tool.uv.sources]`, empty for an index. `wheels` is a folder with wheels. `uses_git` tells
    whether an installation needs Git, and `path` is what only this machine has.
    """

    source: str = ""
    wheels: str = ""
    uses_git: bool = False
    path: str = ""


def parse_source(given: str | None) -> Source:
    """Return the source that `--from` names, by default that of the running installation.

    Raises `ConfigurationError` if it names none.
    """
    if given is None:
        return _installed_source()
    if given.startswith(("git+", "git@", "ssh://")) or re.match(r"https?://\S+\.git(@|$)", given):
        return _git_source(given)
    if re.match(r"https?://", given):
        if urlsplit(given).path.endswith(".whl"):
            return Source(f"{{ url = {_quote(_without_password(given))} }}")
        raise ConfigurationError(f"--from {given} is not the URL of a wheel. Use {CHOICES}.")
    return _path_source(Path(given).expanduser().resolve(), given)


def _path_source(path: Path, given: str) -> Source:
    if not path.exists():
        raise ConfigurationError(f"--from {given} does not exist. Use {CHOICES}.")
    quoted = _quote(path.as_posix())
    if path.is_file() and _is_wheel(path):
        return Source(f"{{ path = {quoted} }}", path=str(path))
    if path.is_dir() and any(map(_is_wheel, path.iterdir())):
        return Source('{ index = "wheels" }', wheels=quoted, path=str(path))
    if _is_checkout(path):
        return Source(f"{{ path = {quoted}, editable = true }}", path=str(path))
    raise ConfigurationError(f"--from {given} contains no wheel of Undercroft and is no checkout of it. Use {CHOICES}.")


def _git_source(given: str) -> Source:
    url, revision = given.removeprefix("git+"), ""
    if found := re.fullmatch(r"(\S+?\.git)@(\S+)", url) or re.fullmatch(r"(\S+/[^/@\s]+)@([^/@\s]+)", url):
        url, revision = found.groups()
    if found := re.match(r"git@([^:/]+):(?!/)(.+)", url):
        url = f"ssh://git@{found[1]}/{found[2]}"
    if not urlsplit(url).scheme or not urlsplit(url).path.strip("/"):
        raise ConfigurationError(f"--from {given} is not a Git URL. Use {CHOICES}.")
    rev = f", rev = {_quote(revision)}" if revision else ""
    return Source(f"{{ git = {_quote(_without_password(url))}{rev} }}", uses_git=True)


def _installed_source() -> Source:
    """Return where the running Undercroft was installed from (PEP 610), or an index."""
    try:
        found = json.loads(distribution(PACKAGE).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return Source()
    url, revision = str(found.get("url", "")), found.get("vcs_info", {})
    if revision:
        rev = revision.get("requested_revision") or revision.get("commit_id", "")
        return Source(f"{{ git = {_quote(url)}, rev = {_quote(rev)} }}", uses_git=True)
    path = Path(unquote(urlsplit(url).path))
    return _path_source(path, str(path)) if url.startswith("file://") and path.exists() else Source()


def _without_password(url: str) -> str:
    """Raises `ConfigurationError` if the URL contains one: the project's file is committed."""
    if urlsplit(url).password is not None:
        raise ConfigurationError(
            "--from contains a password, which would be committed. Use a URL without one: Git asks its credential "
            "helper."
        )
    return url


def _is_wheel(path: Path) -> bool:
    return re.fullmatch(rf"{PACKAGE}-[^-]+-\S+\.whl", path.name) is not None


def _is_checkout(path: Path) -> bool:
    return (path / "pyproject.toml").is_file() and (path / "src" / PACKAGE / "__init__.py").is_file()


def _quote(text: str) -> str:
    """Quote a TOML string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)
