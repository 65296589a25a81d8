"""manage.py publish: keeps what channels are told about stock up to date."""

import logging
import signal
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, close_old_connections, connection

from orders import publishing

log = logging.getLogger("config.publish")


class Command(BaseCommand):
    """Looks for marks of change five times a second; with the database away it logs and goes on.

    Any number of these may run: one publishes, the others find nothing to do.
    """

    help = "Publish changes of availability to channels"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, default=0.2, help="seconds between looks")
        parser.add_argument("--once", action="store_true", help="what is there now, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            self.stdout.write(f"{publishing.publish_all()} figures changed")
            return
        self.running = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "running", False))
        while self.running:
            if not self.look():
                time.sleep(options["every"])

    def look(self) -> bool:
        """One round; returns whether there is more to do at once."""
        try:
            close_old_connections()
            return publishing.publish().marks >= publishing.BATCH
        except Error as error:
            log.warning("database away: %s", str(error).splitlines()[0])
            connection.close()
            time.sleep(1)
            return False
