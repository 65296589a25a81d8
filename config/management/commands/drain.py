"""manage.py drain: does due work in this process, without any broker."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config import outbox


class Command(BaseCommand):
    """The fallback when there is no broker, and the simplest way to develop."""

    help = "Do all due work in this process"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", action="store_true", help="go on for ever")

    def handle(self, *args: Any, **options: Any) -> None:
        done = outbox.drain_all()
        while options["loop"]:
            time.sleep(0.5)
            done += outbox.drain_all()
        self.stdout.write(f"{done} rows of work done")
