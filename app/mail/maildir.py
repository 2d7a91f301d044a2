"""Maildir: mails as files in a folder, so that nothing leaves a fresh machine.

Any mail program reads it. A file is there whole or not at all, and is on the disk when the
mail counts as accepted. It is named after the message: one that is handed over twice is there
once, until a mail program has moved it out of `new`.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
from pathlib import Path

from app.mail.contract import Accepted, Deferred, Mail, Outcome
from app.mail.mime import written

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Maildir:
    """A folder with `tmp`, `new` and `cur`, made when the first mail comes; only its owner can read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, mail: Mail) -> Outcome:
        """Write one file; a full or missing disk defers the mail."""
        written_mail = written(mail)
        if not isinstance(written_mail, tuple):
            return written_mail
        name = mail.identity if FILE_NAME.fullmatch(mail.identity) else _hash(mail.identity)
        try:
            await asyncio.to_thread(self._write, name, written_mail[1].replace(b"\r\n", b"\n"))
        except OSError as error:
            return Deferred("disk", f"The folder for mails cannot be written: {error.strerror}.")
        return Accepted(name)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, name: str, content: bytes) -> None:
        new = self.folder / "new"
        for folder in (self.folder / "tmp", new, self.folder / "cur"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self.folder / "tmp" / f"{name}.{secrets.token_hex(8)}"
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(new / name)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        entries = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)


def _hash(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()
