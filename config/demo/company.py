"""Builds the demo company by calling the real functions, so that building it is also a test."""

import json
import secrets
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.utils import timezone

from config.demo import catalog, network, people, rulebook, stockroom
from inventory import ledger
from inventory.models import Location, PoolLocation, Product, StockPool, Supply
from orders.keys import CHANNEL_SCOPES, LOCATION_SCOPES
from orders.models import ApiKey, SalesChannel, StaffLocation
from routing import defaults

SEED = 1
BATCH = 2000
WMS_PORT = 8077
FACTS = settings.VAR_DIR / "demo.json"  # keys and logins of the demo; never in the database

# pool: (name, kinds of stock points, units left alone at each)
POOLS: dict[str, tuple[str, tuple[str, ...], int]] = {
    "online": ("Online", ("warehouse", "store", "supplier", "distributor"), 0),
    "market": ("Marketplaces", ("warehouse", "store", "distributor"), 1),
    "stores": ("Stores", ("store", "warehouse"), 0),
}
# channel: (name, kind, pool, on shortage)
CHANNELS: dict[str, tuple[str, str, str, str]] = {
    "web": ("Web shop", "web", "online", "queue"),
    "mobile": ("Mobile app", "mobile", "online", "queue"),
    "marketplace": ("Marketplace", "marketplace", "market", "refuse"),
    "social": ("Social commerce", "social", "online", "queue"),
    "till": ("Store till", "till", "stores", "queue"),
}
# role: models whose rows the role may see and act on
ROLES: dict[str, tuple[str, ...]] = {
    "operations": ("config", "inventory", "orders", "routing", "fulfillment", "returns"),
    "manager": ("inventory", "orders", "routing", "fulfillment", "returns"),
    "customer_service": ("orders", "fulfillment", "returns"),
}


def load() -> dict[str, int]:
    """Make the company if there is none; returns what was made, by kind."""
    if Location.objects.exists():
        return {}
    with transaction.atomic():
        places = _locations()
        products = _products()
        channels = _channels(places)
        rulebook.write(defaults.seed())
        users = _people(places)
        stock = _stock(products, places)
        supplies = _supplies(products, places)
        more = stockroom.furnish(places)
        _write_facts(channels, places)
    return {"stock points": len(places), "products": len(products), "channels": len(channels),
            "stock rows": stock, "purchase order lines": supplies, "people": users,
            **more}  # fmt: skip


def _locations() -> dict[str, Location]:
    names = [f.name for f in Location._meta.concrete_fields]
    rows = []
    for spec in network.LOCATIONS:
        given = {name: getattr(spec, name) for name in names if hasattr(spec, name)}
        if spec.kind != "store":
            given["wms_url"] = f"http://127.0.0.1:{WMS_PORT}/{spec.code}"
        rows.append(Location(**given))
    return {row.code: row for row in Location.objects.bulk_create(rows)}


def _products() -> dict[str, int]:
    names = [f.name for f in Product._meta.concrete_fields]
    rows = Product.objects.bulk_create(
        (
            Product(**{name: getattr(spec, name) for name in names if hasattr(spec, name)})
            for spec in catalog.products(seed=SEED, today=timezone.now().date())
        ),
        BATCH,
    )
    return {row.sku: row.pk for row in rows}


def _channels(places: dict[str, Location]) -> dict[str, str]:
    pools = {}
    for code, (name, kinds, buffer) in POOLS.items():
        pools[code] = StockPool.objects.create(code=code, name=name)
        PoolLocation.objects.bulk_create(
            PoolLocation(pool=pools[code], location=place, buffer=buffer)
            for place in places.values()
            if place.kind in kinds
        )
    keys = {}
    for code, (name, kind, pool, on_shortage) in CHANNELS.items():
        channel = SalesChannel.objects.create(
            code=code, name=name, kind=kind, pool=pools[pool], on_shortage=on_shortage,
            shopify_secret=secrets.token_hex(16) if kind == "web" else "",
        )  # fmt: skip
        _, keys[code] = ApiKey.objects.create_key(
            name="demo", channel=channel, scopes=CHANNEL_SCOPES
        )
    return keys


def _people(places: dict[str, Location]) -> int:
    password = make_password(people.PASSWORD)
    for role, apps in ROLES.items():
        allowed = Permission.objects.filter(content_type__app_label__in=apps)
        Group.objects.create(name=role).permissions.set(allowed)
    groups = {group.name: group for group in Group.objects.all()}
    for person in people.STAFF:
        user = User.objects.create(
            username=person.username, email=person.email, password=password,
            first_name=person.first_name, last_name=person.last_name,
            is_staff=person.role in {"admin", *ROLES}, is_superuser=person.role == "admin",
        )  # fmt: skip
        if person.role in groups:
            user.groups.add(groups[person.role])
        if person.location_code:
            StaffLocation.objects.create(user=user, location=places[person.location_code])
    return len(people.STAFF)


def _stock(products: dict[str, int], places: dict[str, Location]) -> int:
    made = 0
    for batch in _batches(catalog.opening_stock(seed=SEED)):
        pairs = [(products[s.sku], places[s.location_code].pk, s) for s in batch]
        ledger.post(
            [
                ledger.Entry(product, place, "opening", on_hand=spec.on_hand, cause_type="demo")
                for product, place, spec in pairs
                if spec.on_hand
            ],
            actor="demo",
        )
        ledger.set_levels(
            [ledger.Level(p, loc, spec.safety, spec.target) for p, loc, spec in pairs], actor="demo"
        )
        made += len(batch)
    return made


def _supplies(products: dict[str, int], places: dict[str, Location]) -> int:
    today = timezone.now().date()
    rows = [
        Supply(
            reference=spec.reference, supplier=places[spec.supplier_code],
            location=places[spec.location_code], product_id=products[spec.sku],
            quantity=spec.quantity, first_quantity=spec.quantity,
            eta=today + timedelta(days=spec.eta_days_from_now),
            first_eta=today + timedelta(days=spec.eta_days_from_now),
        )
        for spec in catalog.purchase_orders(seed=SEED)
    ]  # fmt: skip
    return len(Supply.objects.bulk_create(rows, BATCH))


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(rows)
    while batch := list(islice(source, BATCH)):
        yield batch


def _write_facts(channels: dict[str, str], places: dict[str, Location]) -> None:
    wms = {}
    for place in places.values():
        _, secret = ApiKey.objects.create_key(name="demo", location=place, scopes=LOCATION_SCOPES)
        if place.wms_url:
            wms[place.code] = {"key": secret}
    facts = {
        "base_url": settings.PUBLIC_URL,
        "channels": channels,
        "wms": wms,
        "password": people.PASSWORD,
        "stores": [p.username for p in people.STAFF if p.role == "store"],
        "lines": _lines(),
    }
    write_private(FACTS, json.dumps(facts, indent=1))


def _lines() -> list[str]:
    first: dict[str, str] = {}
    for person in people.STAFF:
        first.setdefault(person.role, person.username)
    lines = [f"{role.replace('_', ' '):<17} {name}" for role, name in first.items()]
    return [*lines, f"password of all   {people.PASSWORD}"]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    path.write_text(text)
