"""Access to the stored emails."""

import asyncio

from undercroft.core.settings import load
from undercroft.modules.mailbox.service import Mail, parse_mail
from undercroft.providers.email import EmailSettings
from undercroft.providers.email.mail_files import MailFiles


class MailboxRepository:
    """Reads the folder that the `mailbox` provider writes, in a thread."""

    def __init__(self) -> None:
        self._files = MailFiles(load(EmailSettings).email_mailbox_folder)

    async def list_newest(self, *, to: str = "", limit: int) -> list[Mail]:
        """Return emails, newest first; with `to`, only those to matching recipients (see `Mail.matches_recipient`)."""
        return await asyncio.to_thread(self._list_newest, to, limit)

    async def get(self, mail_id: str) -> Mail | None:
        mails = await asyncio.to_thread(
            lambda: [parse_mail(file) for file in self._files.list_newest_first() if file.id == mail_id]
        )
        return mails[0] if mails else None

    async def source(self, mail: Mail) -> str:
        return await asyncio.to_thread(lambda: mail.path.read_bytes().decode(errors="replace"))

    async def clear(self) -> None:
        await asyncio.to_thread(self._files.clear)

    def _list_newest(self, to: str, limit: int) -> list[Mail]:
        found: list[Mail] = []
        for file in self._files.list_newest_first():
            mail = parse_mail(file)
            if mail is not None and (not to or mail.matches_recipient(to)):
                found.append(mail)
            if len(found) == limit:
                break
        return found
