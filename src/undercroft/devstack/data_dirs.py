"""Data and program directories of the embedded servers.

Data directories are in the project's `.undercroft/`. Exception: root works in a directory that other users cannot
traverse (such as a home directory with mode 0700). Then the server, which runs unprivileged, gets a directory under
`/var/lib/undercroft`, and a symbolic link in `.undercroft/` points to it. Permissions of existing directories are never
relaxed.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.devstack.machine import ServerUser, file_lock, is_readable, is_traversable

SYSTEM_DATA_DIR = Path("/var/lib/undercroft")


def ensure_data_dir(state: Path, name: str, server_user: ServerUser | None) -> Path:
    """Return the data directory `name` of a server. Creates it if necessary and makes the server's user its owner.

    Raises `ConfigurationError` if it cannot be created, or if this project is a copy whose link points to the data of
    the original.
    """
    try:
        return _ensure_data_dir(state.absolute(), name, server_user)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot create the data directory of {name}: {error.strerror} ({error.filename}). "
            "Run the command in a directory that you can write to."
        ) from None


def _ensure_data_dir(state: Path, name: str, server_user: ServerUser | None) -> Path:
    state.mkdir(exist_ok=True)
    entry = state / name
    if server_user is None:
        entry.mkdir(mode=0o700, exist_ok=True)
        return entry.resolve()
    if not entry.exists():
        _create_data_dir(entry)
    elif not entry.is_symlink() and not is_traversable(state):
        _move_to_system_dir(entry)
    folder = entry.resolve()
    if folder.is_relative_to(SYSTEM_DATA_DIR.resolve()):
        _record_owner(entry, folder)
    if folder.stat().st_uid != server_user.uid:
        _change_owner(folder, server_user)
    return folder


def _create_data_dir(entry: Path) -> None:
    if is_traversable(entry.parent):
        entry.mkdir(mode=0o700)
        return
    folder = _new_system_dir(entry.name)
    folder.mkdir(mode=0o700)
    entry.unlink(missing_ok=True)
    entry.symlink_to(folder)


def _move_to_system_dir(entry: Path) -> None:
    """Move the data after the project was moved to a directory that the server's user cannot traverse."""
    folder = _new_system_dir(entry.name)
    shutil.move(entry, folder)
    entry.symlink_to(folder)


def _new_system_dir(name: str) -> Path:
    """Return a new, unused path; a random part separates it from projects that were at the same path earlier."""
    folder = SYSTEM_DATA_DIR / "data" / secrets.token_hex(8) / name
    _create_system_dir(folder.parent)
    return folder


def _record_owner(entry: Path, folder: Path) -> None:
    """Record which project owns the data. Raises `ConfigurationError` if another project owns them."""
    owner = _read_owner(entry, folder)
    if owner != entry:
        raise ConfigurationError(
            f"{entry} points to the data of {owner.parent.parent}, from which this project was copied. "
            "Run `undercroft db reset` to give this project its own data; the other data are not changed."
        )
    note = _owner_file(folder)
    note.touch(mode=0o600)
    note.write_text(str(entry), encoding="utf-8")


def _read_owner(entry: Path, folder: Path) -> Path:
    """Return the link of the project that owns the data: the recorded one if it still points here, else `entry`."""
    note = _owner_file(folder)
    noted = Path(note.read_text(encoding="utf-8")) if note.exists() else entry
    leads_here = noted.is_symlink() and noted.resolve() == folder
    return noted if leads_here and not noted.parent.samefile(entry.parent) else entry


def _owner_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.owner")


def _create_system_dir(folder: Path) -> None:
    """Create directories under `/var/lib/undercroft` that all users can traverse, whatever the umask."""
    for path in (SYSTEM_DATA_DIR, *(p for p in reversed(folder.parents) if SYSTEM_DATA_DIR in p.parents), folder):
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)


def _change_owner(folder: Path, server_user: ServerUser) -> None:
    """Give data to the server's user that are new, were copied or belong to another user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, server_user.uid, server_user.gid, follow_symlinks=False)


def delete_data_dir(state: Path, name: str) -> None:
    """Delete the data of one server. If another project owns the data, delete only the link to them."""
    entry = state.absolute() / name
    folder = entry.resolve()
    if _read_owner(entry, folder) == entry:
        shutil.rmtree(folder, ignore_errors=True)
        _owner_file(folder).unlink(missing_ok=True)
    if entry.is_symlink():
        entry.unlink()
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def ensure_program_dir(root: Path, parts: tuple[str, ...], server_user: ServerUser | None) -> Path:
    """Return a directory with these parts of `root` that the server's user can read: `root` itself, or else a copy.

    One copy is made per version. Root owns it, and other users can only read it. Parts that do not exist are skipped.
    Relative paths are preserved, because programs find their libraries by them.
    """
    present = [root / part for part in parts if (root / part).exists()]
    files = [path for folder in present for path in (folder, *folder.rglob("*"))]
    if server_user is None or (is_readable(root) and all(_is_world_readable(path) for path in files)):
        return root
    sizes = "".join(f"{path.relative_to(root)} {path.lstat().st_size}\n" for path in sorted(files) if path.is_file())
    copy = SYSTEM_DATA_DIR / "programs" / hashlib.sha256(sizes.encode()).hexdigest()[:16]
    _create_system_dir(copy.parent)
    with file_lock(copy.with_suffix(".lock"), wait=True):
        if not copy.exists():
            _copy(present, root, copy)
    return copy


def _copy(folders: list[Path], root: Path, copy: Path) -> None:
    half = copy.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    for folder in folders:
        shutil.copytree(folder, half / folder.relative_to(root), symlinks=True)
    _make_world_readable(half)
    half.rename(copy)


def _is_world_readable(path: Path) -> bool:
    needed = 0o005 if path.is_dir() else 0o004
    return path.is_symlink() or path.stat().st_mode & needed == needed


def _make_world_readable(copy: Path) -> None:
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if mode & 0o100 else 0o644)
