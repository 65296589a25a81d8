"""manage.py run: the whole product on this machine, with one command."""

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Servers, web, workers and the demo company, until Ctrl-C."""

    help = "Run everything on this machine; PORT or --port says where (8000)"
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", default=os.environ.get("PORT") or "8000")
        parser.add_argument(
            "--with-parent", action="store_true", help="stop when the starting process ends"
        )
        parser.add_argument(
            "--prepare", action="store_true", help="only bring the database up to date"
        )
        parser.add_argument(
            "--demo", action="store_true", help="with --prepare: load the demo company if empty"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["prepare"]:
            prepare(demo=options["demo"])
            return
        try:
            from config.embedded.places import CannotStart  # noqa: PLC0415
            from config.embedded.processes import follow_parent  # noqa: PLC0415
            from config.supervisor.start import up  # noqa: PLC0415
        except ModuleNotFoundError as error:
            self.refuse(f"{error.name} is missing: install requirements-embedded.txt (`make run`).")
        if options["with_parent"]:
            follow_parent(signal.SIGTERM)
        try:
            up(port=self.port(options["port"]), say=self.say)
        except CannotStart as error:
            self.refuse(str(error))

    def port(self, text: str) -> int:
        """The port as a number, or the end with a sentence."""
        if not text.isdecimal() or not 0 < int(text) < 65536:
            self.refuse(f"{text!r} is no port: give a number from 1 to 65535, as in PORT=8001.")
        if int(text) < 1024 and os.geteuid() != 0:
            self.refuse(f"Only root may use port {text}: choose one above 1023, as in PORT=8001.")
        return int(text)

    def say(self, line: str) -> None:
        """Print at once; a reader that has gone must not end the run."""
        with suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()

    def refuse(self, sentence: str) -> None:
        """Say why not and end with exit code 1."""
        self.stderr.write(sentence)
        sys.exit(1)


def prepare(*, demo: bool) -> None:
    """Bring the tables up to date and load the demo company where there is no company yet."""
    call_command("migrate", interactive=False, verbosity=1)
    if demo:
        call_command("demo", company=True)
