"""Run in the storm's own database: the cast's company with plenty of stock; prints its keys."""

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    """Migrate, build, print the keys as JSON."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from inventory import ledger
    from tests import cast

    company = cast.build()
    # Nearly everything goes to WH and LYON; CAP and SOLD run out in the storm.
    ledger.post(
        [
            ledger.Entry(company.products[sku].pk, company.locations[code].pk, "opening",
                         on_hand=units)
            for sku, code, units in [("TEE", "WH", 2000), ("MUG", "WH", 2000), ("BAG", "LYON", 40),
                                     ("CAP", "PARIS", 20), ("SOLD", "RIGA", 10)]
        ],
        actor="test",
    )  # fmt: skip
    keys = {code: company.location_key(code) for code in company.locations}
    json.dump({"channel": company.web_key, "locations": keys}, sys.stdout)


main()
