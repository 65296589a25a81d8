"""manage.py demo: the demo company, and customers, stores and warehouses that keep it alive."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Loads the company when there is none; with --orders it then plays the channels over HTTP."""

    help = "Load the demo company; with --orders N --rate R play channels, stores and customers"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--company", action="store_true", help="only load the company")
        parser.add_argument("--orders", type=int, default=0, help="how many orders to post")
        parser.add_argument("--rate", type=float, default=2.0, help="orders per second")
        parser.add_argument("--url", default="", help="where the web server answers")

    def handle(self, *args: Any, **options: Any) -> None:
        from config.demo import company  # noqa: PLC0415

        made = company.load()
        words = ", ".join(f"{count} {what}" for what, count in made.items())
        self.stdout.write(f"demo company: {words or 'is there already'}")
        if options["orders"] and not options["company"]:
            from config.demo import play  # noqa: PLC0415

            played = play.run(orders=options["orders"], rate=options["rate"], url=options["url"])
            for line in played:
                self.stdout.write(line)
