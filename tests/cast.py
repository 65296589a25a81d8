"""The cast: one small company, named, built through the real functions.

WH is the central warehouse in Orléans, LYON and PARIS are stores, RIGA is a far warehouse.
TEE and MUG are everywhere, BAG is only in the stores, CAP has a single unit in each store, SOLD is
out of stock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from inventory import ledger
from inventory.models import Location, PoolLocation, Product, StockPool
from orders import capture, services
from orders.keys import CHANNEL_SCOPES, LOCATION_SCOPES
from orders.models import ApiKey, DeliveryService, Order, SalesChannel, StaffLocation
from routing import defaults
from routing.models import Rule, RuleSet, ServiceEmission, TariffBand

PLACES = {
    # code: (kind, central, city, country, lat, lng, time zone)
    "WH": ("warehouse", True, "Orléans", "FR", 47.90, 1.91, "Europe/Paris"),
    "LYON": ("store", False, "Lyon", "FR", 45.76, 4.84, "Europe/Paris"),
    "PARIS": ("store", False, "Paris", "FR", 48.86, 2.35, "Europe/Paris"),
    "RIGA": ("warehouse", False, "Riga", "LV", 56.95, 24.11, "Europe/Riga"),
}
PRODUCTS = {"TEE": "20.00", "MUG": "9.50", "BAG": "80.00", "CAP": "15.00", "SOLD": "5.00"}
STOCK = {
    "TEE": {"WH": 100, "LYON": 10, "PARIS": 10, "RIGA": 100},
    "MUG": {"WH": 50, "LYON": 5, "PARIS": 5, "RIGA": 50},
    "BAG": {"LYON": 5, "PARIS": 5},
    "CAP": {"LYON": 1, "PARIS": 1},
    "SOLD": {},
}


@dataclass
class Company:
    """What `build` made, by code."""

    locations: dict[str, Location]
    products: dict[str, Product]
    pool: StockPool
    web: SalesChannel
    web_key: str
    rules: RuleSet
    keys: dict[str, str] = field(default_factory=dict)

    def place(
        self, *items: tuple[str, int], external_id: str | None = None, **changes: Any
    ) -> Order:
        """Place an order through the real capture function."""
        data = payload(*items, external_id=external_id, **changes)
        with transaction.atomic():
            placed = capture.place(
                channel=self.web, order=validated(data), source="test", actor="test",
                now=timezone.now(),
            )  # fmt: skip
        return Order.objects.get(pk=placed.order_id)

    def user(self, name: str, *locations: str, **flags: Any) -> Any:
        """A person who works at these stock points; password is 'a long password'."""
        user = get_user_model().objects.create_user(name, f"{name}@maestro.example",
                                                    "a long password", **flags)  # fmt: skip
        for code in locations:
            StaffLocation.objects.create(user=user, location=self.locations[code])
        return user

    def location_key(self, code: str) -> str:
        """The API key of a stock point."""
        if code not in self.keys:
            _, self.keys[code] = ApiKey.objects.create_key(
                name=code, location=self.locations[code], scopes=LOCATION_SCOPES
            )
        return self.keys[code]


def build() -> Company:
    """Make the company; stock comes in through the ledger."""
    locations = {code: _location(code, *row) for code, row in PLACES.items()}
    products = {
        sku: Product.objects.create(
            sku=sku, name=sku.title(), price=Decimal(price), weight_g=300,
            gtin=f"200000000{i:03}", category="things",
        )
        for i, (sku, price) in enumerate(PRODUCTS.items())
    }  # fmt: skip
    pool = StockPool.objects.create(code="all", name="Everything")
    for location in locations.values():
        PoolLocation.objects.create(pool=pool, location=location)
    ledger.post(
        [
            ledger.Entry(products[sku].pk, locations[code].pk, "opening", on_hand=units)
            for sku, places in STOCK.items()
            for code, units in places.items()
        ],
        actor="test",
    )
    web = SalesChannel.objects.create(code="web", name="Web shop", kind="web", pool=pool)
    _, key = ApiKey.objects.create_key(name="web", channel=web, scopes=CHANNEL_SCOPES)
    return Company(locations, products, pool, web, key, _rules())


def _location(  # noqa: PLR0917  (the columns of PLACES)
    code: str, kind: str, central: bool, city: str, country: str, lat: float, lng: float, tz: str
) -> Location:
    return Location.objects.create(
        code=code, name=f"{city} {kind}", kind=kind, is_central=central, city=city,
        country=country, lat=lat, lng=lng, timezone=tz, can_pickup=kind == "store",
        can_ship_to_store=kind == "store",
        handling_order=Decimal("1.00" if kind == "warehouse" else "2.00"),
        handling_line=Decimal("0.30" if kind == "warehouse" else "0.80"),
    )  # fmt: skip


def _rules() -> RuleSet:
    service = DeliveryService.objects.create(
        code="parcel", name="Parcel", serves=["standard", "express"],
        transit=[[300, 1], [1000, 2], [2500, 4], [None, 7]],
    )  # fmt: skip
    TariffBand.objects.bulk_create(
        TariffBand(service=service, max_km=km, max_g=g, price=Decimal(price))
        for km, g, price in [
            (300, 2000, "5.00"), (300, 30000, "9.00"), (1000, 2000, "7.00"),
            (1000, 30000, "12.00"), (3000, 2000, "11.00"), (3000, 30000, "22.00"),
        ]
    )  # fmt: skip
    factors = defaults.seed_factors()
    defaults.seed_reasons()
    ServiceEmission.objects.create(
        service=service, last_mile=factors["van"], linehaul=factors["artic"]
    )
    services.forget()
    services.active()  # as in a process that has taken orders before
    rules = RuleSet.objects.create(name="Standard")
    Rule.objects.create(rule_set=rules)
    return active(rules)


def active(rules: RuleSet) -> RuleSet:
    """The draft decides from now on; unlike routing.rules.activate() it archives nothing."""
    RuleSet.objects.filter(pk=rules.pk).update(state="active", activated_at=timezone.now())
    rules.refresh_from_db()
    return rules


@contextmanager
def rules_open() -> Iterator[None]:
    """Rules that are active can be changed in here, which the database refuses elsewhere."""
    trigger = "SET CONSTRAINTS ALL {}; ALTER TABLE routing_ruleset {} TRIGGER rule_set_changes"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(trigger.format("IMMEDIATE", "DISABLE"))
        states = dict(RuleSet.objects.values_list("pk", "state"))
        RuleSet.objects.update(state="draft")
        yield
        for pk, state in states.items():
            RuleSet.objects.filter(pk=pk).update(state=state)
        cursor.execute(trigger.format("IMMEDIATE", "ENABLE"))
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def change_rules(**changes: Any) -> None:
    """Let every rule say this, those that are active too."""
    with rules_open():
        Rule.objects.update(**changes)


def change_rule_sets(**changes: Any) -> None:
    """Let every rule set say this, those that are active too."""
    with rules_open():
        RuleSet.objects.update(**changes)


_next = iter(range(1, 1_000_000))


def payload(*items: tuple[str, int], external_id: str | None = None, **changes: Any) -> dict:
    """A canonical order as a channel posts it, adding up to the cent, to an address in Lyon."""
    lines = [
        {
            "external_id": str(i), "sku": sku, "name": sku.title(), "quantity": quantity,
            "unit_price": PRODUCTS.get(sku, "10.00"), "discount": "0.00", "tax": "0.00",
        }
        for i, (sku, quantity) in enumerate(items or (("TEE", 1),))
    ]  # fmt: skip
    subtotal = sum(Decimal(line["unit_price"]) * line["quantity"] for line in lines)
    data = {
        "external_id": external_id or f"X-{next(_next)}",
        "placed_at": datetime.now(UTC).isoformat(),
        "currency": "EUR", "tax_included": True, "test": False,
        "customer": {"email": "ana@example.org", "name": "Ana Živić", "phone": "+33 6 00 00 00 00"},
        "shipping_address": {
            "name": "Ana Živić", "line1": "1 rue de la République", "line2": "", "city": "Lyon",
            "region": "", "postcode": "69001", "country": "FR", "phone": "",
        },
        "billing_address": None,
        "delivery": {"method": "ship", "location": None, "service": "standard"},
        "line_items": lines,
        "discount_total": "0.00", "shipping_total": "4.90", "shipping_tax": "0.00",
        "tax_total": "0.00", "total": str(subtotal + Decimal("4.90")),
        "payments": [{"reference": "pay-1", "method": "card", "state": "captured",
                      "amount": str(subtotal + Decimal("4.90"))}],
        "tags": [], "note": "", "metadata": {},
    }  # fmt: skip
    return {**data, **changes}


def validated(data: dict) -> dict:
    """The payload as the API's serializer hands it to capture."""
    from orders.payload import OrderPayload

    serializer = OrderPayload(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
