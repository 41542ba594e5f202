"""A package's migrations, and where a database stands in them."""

from pathlib import Path

from msgspec import Struct


class History(Struct, frozen=True):
    """The migrations of one package: where they are and which tables they own."""

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
        """Where the migration of this revision is, or would be."""
        return self.versions / f"{revision}.py"


class MissingMigration(Struct, frozen=True):
    """A migration that the database has seen and that has no file here.

    `down_revision` is what it followed, `backward_compatible` whether a release without it runs on its schema.
    Without a record of it (`recorded`) neither is known.
    """

    revision: str
    down_revision: str | None = None
    backward_compatible: bool = True
    recorded: bool = False


class Status(Struct, frozen=True):
    """Where a database stands in one history.

    `pending` are the revisions still to run, oldest first; `missing` those that have no file here, newest first;
    `known` is the newest applied revision that has one.
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
        """Whether the database has everything that this release knows, and more."""
        return bool(self.missing) and not self.pending

    @property
    def blocking_revision(self) -> str | None:
        """The missing migration that says releases without it must not run; None when there is none."""
        return next((each.revision for each in self.missing if not each.backward_compatible), None)
