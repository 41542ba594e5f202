"""The migrations of a package, and the state of a database."""

from pathlib import Path

from msgspec import Struct


class History(Struct, frozen=True):
    """The migrations of one package: their folder and the tables that they own."""

    name: str
    folder: Path
    tables: frozenset[str]

    @property
    def version_table(self) -> str:
        return f"{self.name}_alembic_version"

    @property
    def versions(self) -> Path:
        return self.folder / "versions"

    def file(self, revision: str) -> Path:
        """The path of this revision's migration file."""
        return self.versions / f"{revision}.py"


class MissingMigration(Struct, frozen=True):
    """A migration that is applied in the database and has no file here.

    `down_revision` is its predecessor, `backward_compatible` whether a release without it runs on its schema. Neither
    is known unless it was `recorded`.
    """

    revision: str
    down_revision: str | None = None
    backward_compatible: bool = True
    recorded: bool = False


class Status(Struct, frozen=True):
    """The state of a database in one history.

    `pending` are the revisions to run, oldest first; `missing` the applied ones without a file, newest first; `known`
    is the newest applied revision with a file.
    """

    history: str
    current: str | None
    head: str | None
    pending: tuple[str, ...]
    missing: tuple[MissingMigration, ...] = ()
    known: str | None = None
    folder: Path = Path()

    @property
    def is_newer(self) -> bool:
        """Whether the database has all migrations of this release, and more."""
        return bool(self.missing) and not self.pending

    @property
    def blocking_revision(self) -> str | None:
        """The missing migration that forbids older releases to run; None if there is none."""
        return next((each.revision for each in self.missing if not each.backward_compatible), None)
