"""manage.py relay: rings the doorbells of topics that have due work."""

import logging
import signal
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, close_old_connections, connection

from config import outbox
from config.tasks import drain

log = logging.getLogger("config.relay")
ROWS_PER_BELL = 20
MOST_BELLS = 4
BELL_EXPIRES_SECONDS = 5


class Command(BaseCommand):
    """Looks for due work every half second; with broker or database away it logs and goes on."""

    help = "Ring the workers for due work (outbox relay)"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, default=0.5, help="seconds between looks")
        parser.add_argument("--once", action="store_true", help="one look, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        self.running = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "running", False))
        while self.running:
            self.look()
            if options["once"]:
                return
            time.sleep(options["every"])

    def look(self) -> None:
        """One round: what is due, a bell per twenty rows of it."""
        try:
            close_old_connections()
            for topic, count in outbox.due().items():
                ring(topic, bells=min(count // ROWS_PER_BELL + 1, MOST_BELLS))
        except Error as error:
            log.warning("database away: %s", str(error).splitlines()[0])
            connection.close()
            time.sleep(1)
        except Exception as error:
            log.warning("broker away: %s", error)
            time.sleep(1)


def ring(topic: str, *, bells: int) -> None:
    """Send doorbells; a bell nobody hears within seconds is worth nothing and expires."""
    known = outbox.topics().get(topic)
    if known is None:
        log.error("work of unknown topic %s", topic)
        return
    for _ in range(bells):
        drain.apply_async((topic,), queue=known.queue, expires=BELL_EXPIRES_SECONDS, retry=False)
