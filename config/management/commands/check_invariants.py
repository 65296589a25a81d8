"""manage.py check_invariants: what must always hold, checked now."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from reports.invariants import violations


class Command(BaseCommand):
    """Prints every invariant with its count of violations; exits 1 with the rows if one fails."""

    help = "Check that stock, orders, money and work agree with each other"

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for name, rows in violations().items():
            self.stdout.write(f"{'ok ' if not rows else 'BROKEN'} {name}: {len(rows)}")
            for row in rows[:5]:
                self.stdout.write(f"      {row}")
            broken += bool(rows)
        if broken:
            sys.exit(1)
