import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.providers.email.conftest import make_message, parse
from undercroft.providers.email import Address, DeliveryDeferred
from undercroft.providers.email.mail_files import MailFiles
from undercroft.providers.email.mailbox import MailboxProvider


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mailbox"


async def deliver(folder: Path, *messages, size: int = 1000):
    return await MailboxProvider(folder, size=size).deliver(messages)


def subjects(folder: Path) -> list[str]:
    return [parse(file.path.read_bytes())["Subject"] for file in MailFiles(folder).list_newest_first()]


async def test_files_are_readable_only_by_their_owner(folder: Path) -> None:
    await deliver(folder, make_message())

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


async def test_emails_are_sorted_by_time(folder: Path) -> None:
    await deliver(folder, *(make_message(subject=f"No. {number}") for number in range(5)))

    assert subjects(folder) == ["No. 4", "No. 3", "No. 2", "No. 1", "No. 0"]


async def test_all_envelope_recipients_are_stored(folder: Path) -> None:
    await deliver(folder, make_message(bcc=(Address("eve@example.com"),)))

    (file,) = MailFiles(folder).list_newest_first()
    assert parse(file.path.read_bytes())["Delivered-To"] == "ada@example.com, eve@example.com"


async def test_only_the_newest_emails_are_retained(folder: Path) -> None:
    await deliver(folder, *(make_message(subject=str(number)) for number in range(8)), size=3)

    assert subjects(folder) == ["7", "6", "5"]
    assert len(list(folder.iterdir())) == 3


async def test_ids_are_unpredictable_and_stable(folder: Path) -> None:
    await deliver(folder, make_message(), make_message())

    first, second = MailFiles(folder).list_newest_first()
    assert first.id != second.id
    assert [file.id for file in MailFiles(folder).list_newest_first()] == [first.id, second.id]


async def test_same_message_id_replaces_the_previous_email(folder: Path) -> None:
    await deliver(
        folder, make_message(subject="first", message_id="<job-1@acme.example>"), make_message(subject="other")
    )
    (earlier,) = [file.id for file in MailFiles(folder).list_newest_first()][1:]
    await deliver(folder, make_message(subject="again", message_id="<job-1@acme.example>"))

    assert subjects(folder) == ["again", "other"]
    assert MailFiles(folder).list_newest_first()[0].id == earlier


async def test_partial_file_of_a_killed_writer_is_hidden_and_deleted_later(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, new = folder / ".dead.part", folder / ".alive.part"
    for path in (old, new):
        path.write_bytes(b"Subject: hal")
    os.utime(old, (time.time() - 3600, time.time() - 3600))

    await deliver(folder, make_message(subject="whole"))

    assert subjects(folder) == ["whole"]
    assert not old.exists()
    assert new.exists()


async def test_foreign_files_are_ignored(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "0-x.eml").write_text("odd")

    await deliver(folder, make_message(), size=1)
    MailFiles(folder).clear()

    assert sorted(path.name for path in folder.iterdir()) == ["0-x.eml", "notes.txt"]


async def test_inaccessible_folder_defers_the_email(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    folder = tmp_path / "file" / "mailbox"
    (outcome,) = await deliver(folder, make_message())

    assert isinstance(outcome, DeliveryDeferred)
    with pytest.raises(DeliveryDeferred, match="mailbox"):
        await MailboxProvider(folder, size=1).check()


WRITER = """
import asyncio, sys
from pathlib import Path
from undercroft.providers.email import Address, EmailMessage
from undercroft.providers.email.mailbox import MailboxProvider
async def main(folder, name):
    provider = MailboxProvider(Path(folder), size=50)
    sender = Address("no-reply@acme.example")
    for number in range(40):
        subject, text = f"{name} {number}", "x" * 20_000
        message = EmailMessage(sender=sender, to=(Address("ada@example.com"),), subject=subject, text=text)
        assert await provider.deliver([message]) == [None]
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


async def test_concurrent_writers_never_expose_partial_emails(folder: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder, name]) for name in ("one", "two", "three")]
    while any(writer.poll() is None for writer in writers):
        for file in MailFiles(folder).list_newest_first():
            try:
                content = file.path.read_bytes()
            except FileNotFoundError:
                continue  # pruned in the meantime
            assert parse(content).get_content().count("x") == 20_000

    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert 50 <= len(MailFiles(folder).list_newest_first()) <= 52
    assert list(folder.glob(".*.part")) == []
