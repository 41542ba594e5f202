"""Where servers keep their data and where their programs can be run from.

Everything lives in the project's `.undercroft/`. Only when root works below a folder that is closed to others (a home
with mode 0700) does the unprivileged server get a folder of its own under `/var/lib/undercroft`; a link in
`.undercroft/` leads there, and goes with the project when that is moved. No folder is ever opened to others.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.devstack.machine import Identity, exclusive, readable, walkable

OUTSIDE = Path("/var/lib/undercroft")


def data_folder(state: Path, name: str, identity: Identity | None) -> Path:
    """The folder `name` for one server's data below the state folder, made if need be and owned by that server.

    Raises `ConfigurationError` when it cannot be made, or when this project is a copy and its link leads to the data of
    the one that it was copied from.
    """
    try:
        return _data_folder(state.absolute(), name, identity)
    except OSError as error:
        raise ConfigurationError(
            f"The folder for the data of {name} cannot be made: {error.strerror} ({error.filename}). "
            "Run this where you may write."
        ) from None


def _data_folder(state: Path, name: str, identity: Identity | None) -> Path:
    state.mkdir(exist_ok=True)
    entry = state / name
    if identity is None:
        entry.mkdir(mode=0o700, exist_ok=True)
        return entry.resolve()
    if not entry.exists():
        _make(entry, identity)
    elif not entry.is_symlink() and not walkable(state):
        _move_outside(entry)
    folder = entry.resolve()
    if folder.is_relative_to(OUTSIDE.resolve()):
        _note_owner(entry, folder)
    if folder.stat().st_uid != identity.uid:
        _give(folder, identity)
    return folder


def _make(entry: Path, identity: Identity) -> None:
    if walkable(entry.parent):
        entry.mkdir(mode=0o700)
        os.chown(entry, identity.uid, identity.gid)
        return
    folder = _new_outside(entry.name)
    folder.mkdir(mode=0o700)
    os.chown(folder, identity.uid, identity.gid)
    entry.unlink(missing_ok=True)
    entry.symlink_to(folder)


def _move_outside(entry: Path) -> None:
    """The project was moved below a closed folder, where its server does not reach its data any more."""
    folder = _new_outside(entry.name)
    shutil.move(entry, folder)
    entry.symlink_to(folder)


def _new_outside(name: str) -> Path:
    """Where nobody's data are: not even those of a project that was once here and has been moved away."""
    folder = OUTSIDE / "data" / secrets.token_hex(8) / name
    _make_outside(folder.parent)
    return folder


def _note_owner(entry: Path, folder: Path) -> None:
    """Note whose data these are. Raises `ConfigurationError` when they are another project's."""
    owner = _owner(entry, folder)
    if owner != entry:
        raise ConfigurationError(
            f"{entry} leads to the data of {owner.parent.parent}, from which this folder was copied. "
            "`undercroft db reset` gives this one data of its own and leaves those alone."
        )
    note = _note(folder)
    note.touch(mode=0o600)
    note.write_text(str(entry), encoding="utf-8")


def _owner(entry: Path, folder: Path) -> Path:
    """The link of the project that these data belong to: this one, unless another is noted that still leads here."""
    note = _note(folder)
    noted = Path(note.read_text(encoding="utf-8")) if note.exists() else entry
    leads_here = noted.is_symlink() and noted.resolve() == folder
    return noted if leads_here and not noted.parent.samefile(entry.parent) else entry


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.owner")


def _make_outside(folder: Path) -> None:
    """Our own folders under `/var/lib` can be walked through, whatever the umask; what holds data cannot."""
    for path in (OUTSIDE, *(p for p in reversed(folder.parents) if OUTSIDE in p.parents), folder):
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)


def _give(folder: Path, identity: Identity) -> None:
    """Data that root's ordinary self made earlier, or that was copied, to the server's user."""
    os.chown(folder, identity.uid, identity.gid)
    for path in folder.rglob("*"):
        os.chown(path, identity.uid, identity.gid, follow_symlinks=False)


def discard(state: Path, name: str) -> None:
    """Delete the data of one server, wherever they are; of a copied project only the link to the other's."""
    entry = state.absolute() / name
    folder = entry.resolve()
    if _owner(entry, folder) == entry:
        shutil.rmtree(folder, ignore_errors=True)
        _note(folder).unlink(missing_ok=True)
    if entry.is_symlink():
        entry.unlink()
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def programs(root: Path, parts: tuple[str, ...], identity: Identity | None) -> Path:
    """A folder that holds these parts of `root` where the server's user can reach them: `root`, or else a copy.

    The copy is made once per version, belongs to root and is only readable to others. Parts that do not exist are
    left out; together they keep their places, because programs find their libraries by relative paths.
    """
    present = [root / part for part in parts if (root / part).exists()]
    files = [path for folder in present for path in (folder, *folder.rglob("*"))]
    if identity is None or (readable(root) and all(_is_open(path) for path in files)):
        return root
    sizes = "".join(f"{path.relative_to(root)} {path.lstat().st_size}\n" for path in sorted(files) if path.is_file())
    copy = OUTSIDE / "programs" / hashlib.sha256(sizes.encode()).hexdigest()[:16]
    _make_outside(copy.parent)
    with exclusive(copy.with_suffix(".lock"), wait=True):
        if not copy.exists():
            _copy(present, root, copy)
    return copy


def _copy(folders: list[Path], root: Path, copy: Path) -> None:
    half = copy.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    for folder in folders:
        shutil.copytree(folder, half / folder.relative_to(root), symlinks=True)
    _open_to_readers(half)
    half.rename(copy)


def _is_open(path: Path) -> bool:
    needed = 0o005 if path.is_dir() else 0o004
    return path.is_symlink() or path.stat().st_mode & needed == needed


def _open_to_readers(copy: Path) -> None:
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if mode & 0o100 else 0o644)
