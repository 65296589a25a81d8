"""The people of the demo company: its staff, and customers who never were.

Names are drawn from common given and family names, addresses from real towns with a postcode of
that town's postal area. Telephone numbers come from the ranges that regulators keep free for
fiction, or are left out where there is none. Plain data, no Django.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from config import geo
from config.demo.countries import COUNTRIES
from config.demo.network import LOCATIONS

Role = Literal["admin", "operations", "manager", "warehouse", "store", "customer_service"]

PASSWORD = "maestro-demo"
STAFF_DOMAIN = "maestro.example"
CUSTOMERS = 5000  # the base that orders are drawn from

_CONSONANTS = "ABCDEFGHJKLMNPRSTVWXYZ"


@dataclass(frozen=True)
class StaffSpec:
    """A login. Only people of a store or warehouse have a location."""

    username: str
    first_name: str
    last_name: str
    email: str
    role: Role
    location_code: str | None


@dataclass(frozen=True)
class CustomerSpec:
    """A customer and where the parcels go; `region` is the state in the US, else empty."""

    number: int
    name: str
    email: str
    phone: str
    line1: str
    line2: str
    city: str
    region: str
    postcode: str
    country: str


# Login, role, country the name comes from.
_OFFICE: tuple[tuple[str, Role, str], ...] = (
    ("admin", "admin", "NL"), ("admin.two", "admin", "DE"), ("operations", "operations", "FR"),
    ("operations.iberia", "operations", "ES"), ("operations.us", "operations", "US"),
    ("manager", "manager", "IT"), ("manager.retail", "manager", "GB"),
    ("service", "customer_service", "IE"), ("service.dach", "customer_service", "AT"),
    ("service.fr", "customer_service", "BE"), ("service.es", "customer_service", "PT"),
)  # fmt: skip


def customers(*, seed: int = 1, count: int = CUSTOMERS) -> Iterator[CustomerSpec]:
    """The first `count` customers."""
    return (customer(seed=seed, number=number) for number in range(count))


@lru_cache(maxsize=CUSTOMERS)
def customer(*, seed: int, number: int) -> CustomerSpec:
    """Customer `number` of a seed, always the same; the e-mail address is unique in a seed."""
    rng = random.Random(f"customer-{seed}-{number}")
    country = rng.choices(list(COUNTRIES), [c.share for c in COUNTRIES.values()])[0]
    traits = COUNTRIES[country]
    given, family = rng.choice(traits.given), rng.choice(traits.family)
    towns, weights = _towns(country)
    town = rng.choices(towns, weights)[0]
    slug = geo.fold(f"{given} {family}").replace(" ", ".")
    street = rng.choice(traits.streets)
    return CustomerSpec(
        number=number,
        name=f"{given} {family}",
        email=f"{slug}.{seed}-{number}@example.{rng.choice(('org', 'com', 'net'))}",
        phone=_filled(rng, traits.phone),
        line1=traits.address.format(street=street, number=rng.randint(1, 148)),
        line2=rng.choice(traits.extras) if rng.random() < 0.2 else "",
        city=traits.local_names.get(town.name, town.name.split(" / ")[-1]),
        region=town.admin1 if country == "US" else "",
        postcode=_filled(rng, rng.choice(_postcodes(country, town.lat, town.lng))),
        country=country,
    )


def _staff() -> Iterator[StaffSpec]:
    for username, role, country in _OFFICE:
        yield _colleague(username, role, country, None)
    for spec in LOCATIONS:
        _, _, place = spec.code.lower().partition("-")
        if spec.kind == "warehouse":
            for shift in ("", ".late"):
                yield _colleague(f"warehouse.{place}{shift}", "warehouse", spec.country, spec.code)
        elif spec.kind == "store":
            town, _, number = place.partition("-")
            suffix = "" if number == "01" else number.lstrip("0")
            yield _colleague(f"store.{town}{suffix}", "store", spec.country, spec.code)


def _colleague(username: str, role: Role, country: str, location: str | None) -> StaffSpec:
    rng = random.Random(f"staff-{username}")
    traits = COUNTRIES[country]
    email = f"{username}@{STAFF_DOMAIN}"
    given, family = rng.choice(traits.given), rng.choice(traits.family)
    return StaffSpec(username, given, family, email, role, location)


# Everybody with a login: the office, one per store (store.lyon, store.lyon2), two a warehouse. All
# have PASSWORD; never load them where real customers are.
STAFF: tuple[StaffSpec, ...] = tuple(_staff())


@lru_cache(maxsize=32)
def _towns(country: str) -> tuple[list[geo.City], list[int]]:
    """The country's largest towns whose postal area is known, and their inhabitants as weights.

    Numbered districts ("Paris 16 Passy") are left out: people write the town.
    """
    areas = geo.postcode_areas(country=country).values()
    near = [
        town
        for town in geo.cities(country=country, limit=120)
        if not any(sign.isdigit() for sign in town.name)
        and min(geo.distance_km(town, area) for area in areas) < 40
    ]
    return near, [town.population for town in near]


@lru_cache(maxsize=4096)
def _postcodes(country: str, lat: float, lng: float) -> list[str]:
    """Postcodes as they look in the nearest postal area, one for each of its prefixes."""
    here = geo.Point(lat, lng, "city")
    distances = {
        prefix: geo.distance_km(here, area)
        for prefix, area in geo.postcode_areas(country=country).items()
    }
    nearest = min(distances.values())
    pattern = COUNTRIES[country].postcode
    return [_begun(pattern, prefix) for prefix, km in distances.items() if km == nearest]


def _begun(pattern: str, prefix: str) -> str:
    """A country's pattern with the prefix put in: instead of its stars, or of its first signs."""
    if stars := pattern.count("*"):
        return prefix.ljust(stars, "#") + pattern[stars:]
    signs = iter(prefix)
    return "".join(next(signs, sign) if sign in "#@" else sign for sign in pattern)


def _filled(rng: random.Random, pattern: str) -> str:
    """A pattern with # for a digit and @ for a letter filled in."""
    return "".join(
        str(rng.randint(0, 9)) if c == "#" else rng.choice(_CONSONANTS) if c == "@" else c
        for c in pattern
    )
