"""`undercroft migrate new` and `check` on an extension whose models change while the application has traffic."""

from pathlib import Path

from tests.cli.command_runner import CommandResult, run_command

MODELS = """
from sqlmodel import Field, SQLModel

from undercroft.core.db import Privacy


class Shelf(SQLModel, table=True):
    __tablename__ = "library_shelves"
    __privacy__ = Privacy("the shop", "until it is deleted", non_personal=("label", "note"))

    id: int = Field(primary_key=True)
    {label}
    note: str
"""


def test_new_and_check_show_the_safe_sequence_until_the_risk_is_accepted(
    migrated_database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "extensions" / "library"
    versions = folder / "migrations" / "versions"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        '"""Shelves."""\nfrom undercroft.core import Module\n\nMODULE = Module(requires=())\n'
    )

    def migrate(*words: str) -> CommandResult:
        environment = {"DATABASE_URL": migrated_database_url, "ENABLED_EXTENSIONS": "library"}
        return run_command("migrate", *words, folder=tmp_path, **environment)

    (folder / "models.py").write_text(MODELS.format(label="label: str"))
    created = migrate("new", "shelves")
    assert (created.code, "Warning" in created.output) == (0, False), created.output
    assert migrate("upgrade").code == 0
    assert "no migration is dangerous" in migrate("check").out

    (folder / "models.py").write_text(MODELS.format(label="label: str = Field(index=True)"))
    created = migrate("new", "find by label")
    file = versions / "0002_find_by_label.py"
    index = "op.create_index('ix_library_shelves_label', 'library_shelves', ['label'], postgresql_concurrently=True)"
    assert "Warning: extensions/library/migrations/versions/0002_find_by_label.py:" in created.out, created.output
    assert ("create index (0002_find_by_label of library)" in created.out, index in created.out) == (True, True)
    assert migrate("upgrade").code == 0
    refused = migrate("check")
    assert (refused.code, index in refused.out, "match" in refused.out) == (1, True, False), refused.output

    file.write_text(f'{file.read_text()}\naccepted_risks = {{"create index": "At most 100 shelves."}}\n')
    assert migrate("check").code == 0
