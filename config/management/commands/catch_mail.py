"""manage.py catch_mail: an SMTP server that keeps every message in a folder and sends none."""

import asyncio
import logging
import secrets
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

KEPT = 2000  # messages; the oldest go first
LARGEST = 10_000_000  # bytes of one message


class Command(BaseCommand):
    """Messages become .eml files whose names sort by time; the console lists them."""

    help = "Catch outgoing mail on this machine (for demos and development)"
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=1025)
        parser.add_argument("--folder", type=Path, default=settings.CAUGHT_MAIL_DIR)

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("mail.log").setLevel(logging.WARNING)  # it tells every address
        asyncio.run(catch(port=options["port"], folder=options["folder"], say=self.stdout.write))


async def catch(*, port: int, folder: Path, say: Callable[[str], object]) -> None:
    """Serve on the loopback address until SIGTERM or SIGINT."""
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    keeper = Keeper(folder)
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="localhost", data_size_limit=LARGEST, enable_SMTPUTF8=True),
        host="127.0.0.1",
        port=port,
    )
    say(f"Catching mail on 127.0.0.1:{port} into {folder}")
    await done.wait()
    server.close()  # and no waiting for clients that keep a connection open


class Keeper:
    """Writes each message whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep one message; whom it was for stands in a header, for blind copies have no other."""
        await asyncio.to_thread(self.keep, envelope)
        return "250 Message caught"

    def keep(self, envelope: Envelope) -> Path:
        """Write the file and drop the oldest beyond KEPT; returns its path."""
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = self.folder / f"{moment}-{secrets.token_hex(4)}.eml"
        fresh = path.with_suffix(".new")
        people = ", ".join(envelope.rcpt_tos)
        content = envelope.original_content or b""
        fresh.write_bytes(f"X-Caught-For: {people}\r\n".encode() + content)
        fresh.replace(path)
        for old in sorted(self.folder.glob("*.eml"))[:-KEPT]:
            old.unlink(missing_ok=True)
        return path
