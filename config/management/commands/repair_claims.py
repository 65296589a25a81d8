"""manage.py repair_claims: reserved counters that disagree with their claims."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from inventory import repair


class Command(BaseCommand):
    """Lists them; with --apply sets each to the sum of its claims and writes it to the ledger."""

    help = "Find (and with --apply, repair) reserved counters that are not the sum of their claims"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="repair what is found")

    def handle(self, *args: Any, **options: Any) -> None:
        found = repair.apply(actor="repair_claims") if options["apply"] else repair.drifts()
        for drift in found:
            self.stdout.write(
                f"{drift.sku} at {drift.location}: counter {drift.counter}, claims"
                f" {drift.claims} ({drift.change:+d})"
            )
        done = "repaired" if options["apply"] else "to repair"
        self.stdout.write(f"{len(found)} {done}")
