"""The demo company's stock points, and what its suppliers have on the way to them.

Streets and coordinates are real places; the shops in them are not. Plain data, no Django.
"""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Kind = Literal["warehouse", "store", "supplier", "distributor"]
OpeningHours = dict[str, list[list[str]]]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class LocationSpec:
    """A stock point. Hours are local to `timezone`, "HH:MM"; handling costs in EUR."""

    code: str
    name: str
    kind: Kind
    is_central: bool
    line1: str
    city: str
    region: str
    postcode: str
    country: str
    lat: float
    lng: float
    timezone: str
    opening_hours: OpeningHours
    cutoff: str
    lead_days: int
    can_ship: bool
    can_pickup: bool
    can_receive_returns: bool
    capacity_per_day: int | None
    handling_order: Decimal
    handling_line: Decimal


@dataclass(frozen=True)
class SupplySpec:
    """One line of a purchase order; (reference, sku) is unique, a reference has several lines."""

    reference: str
    supplier_code: str
    location_code: str
    sku: str
    quantity: int
    eta_days_from_now: int


# Days -> intervals. A day that is not named is closed; "10:00-13:00 15:30-19:30" has a siesta.
_HOURS: dict[str, dict[str, str]] = {
    "fr": {"mon-sat": "10:00-19:30"},
    "fr-small": {"tue-fri": "10:00-13:00 14:00-19:00", "sat": "10:00-19:00"},
    "fr-sunday": {"mon-sat": "10:00-20:00", "sun": "11:00-19:00"},
    "de": {"mon-sat": "10:00-20:00"},
    "de-short": {"mon-fri": "10:00-19:00", "sat": "10:00-18:00"},
    "nl": {
        "mon": "12:00-18:00",
        "tue-wed": "10:00-18:00",
        "thu": "10:00-21:00",
        "fri-sat": "10:00-18:00",
        "sun": "12:00-17:00",
    },
    "be": {"mon-sat": "10:00-18:30"},
    "es": {"mon-sat": "10:00-14:00 17:00-20:30"},
    "es-all-day": {"mon-sat": "10:00-21:00", "sun": "12:00-20:00"},
    "pt": {"mon-sat": "10:00-20:00", "sun": "10:00-19:00"},
    "it": {"mon-sat": "10:00-19:30", "sun": "11:00-19:00"},
    "it-small": {
        "mon": "15:30-19:30",
        "tue-sat": "10:00-13:00 15:30-19:30",
    },
    "at": {"mon-fri": "10:00-19:00", "sat": "09:30-18:00"},
    "ch": {"mon-wed": "09:00-19:00", "thu": "09:00-20:00", "fri": "09:00-19:00", "sat": "09:00-18:00"},
    "north": {"mon-fri": "10:00-19:00", "sat": "10:00-17:00", "sun": "11:00-16:00"},
    "pl": {"mon-fri": "10:00-20:00", "sat": "10:00-18:00"},
    "gb": {"mon-sat": "10:00-19:00", "sun": "12:00-18:00"},
    "us": {"mon-sat": "10:00-20:00", "sun": "11:00-18:00"},
    "warehouse": {"mon-fri": "06:00-22:00", "sat": "07:00-14:00"},
    "office": {"mon-thu": "08:00-17:00", "fri": "08:00-14:00"},
}  # fmt: skip

_TIMEZONES = {
    "AT": "Europe/Vienna", "BE": "Europe/Brussels", "CH": "Europe/Zurich", "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen", "ES": "Europe/Madrid", "FR": "Europe/Paris", "GB": "Europe/London",
    "IE": "Europe/Dublin", "IT": "Europe/Rome", "NL": "Europe/Amsterdam", "PL": "Europe/Warsaw",
    "PT": "Europe/Lisbon", "SE": "Europe/Stockholm", "TR": "Europe/Istanbul",
    "US": "America/New_York",
}  # fmt: skip

# What a shop's labor costs per order and per line picked, EUR.
_STORE_HANDLING = {
    "CH": ("3.90", "0.95"), "DK": ("3.40", "0.85"), "SE": ("3.20", "0.80"), "US": ("3.10", "0.75"),
    "GB": ("2.90", "0.70"), "IE": ("2.90", "0.70"), "PL": ("1.50", "0.35"), "PT": ("1.60", "0.40"),
    "ES": ("1.90", "0.50"), "IT": ("2.20", "0.55"),
}  # fmt: skip
_DEFAULT_STORE_HANDLING = ("2.60", "0.65")

# code, name, street, city, region, postcode, country, lat, lng, hours, cut-off, parcels per day.
# Capacity 0: the shop is too small to pack parcels, it only hands over and takes back.
_STORES: tuple[tuple[str, str, str, str, str, str, str, float, float, str, str, int], ...] = (
    ("ST-PARIS-01", "Paris Marais", "31 Rue des Francs Bourgeois", "Paris", "Île-de-France", "75004", "FR", 48.8574, 2.3597, "fr-sunday", "16:00", 60),
    ("ST-PARIS-02", "Paris Opéra", "12 Boulevard des Capucines", "Paris", "Île-de-France", "75009", "FR", 48.8707, 2.3310, "fr", "16:00", 50),
    ("ST-LYON-01", "Lyon Presqu'île", "48 Rue de la République", "Lyon", "Auvergne-Rhône-Alpes", "69002", "FR", 45.7610, 4.8357, "fr", "15:30", 40),
    ("ST-LYON-02", "Lyon Croix-Rousse", "7 Grande Rue de la Croix-Rousse", "Lyon", "Auvergne-Rhône-Alpes", "69004", "FR", 45.7755, 4.8318, "fr-small", "15:00", 12),
    ("ST-MARSEILLE-01", "Marseille Saint-Ferréol", "55 Rue Saint-Ferréol", "Marseille", "Provence-Alpes-Côte d'Azur", "13001", "FR", 43.2929, 5.3785, "fr", "15:30", 35),
    ("ST-BORDEAUX-01", "Bordeaux Sainte-Catherine", "90 Rue Sainte-Catherine", "Bordeaux", "Nouvelle-Aquitaine", "33000", "FR", 44.8383, -0.5743, "fr", "15:30", 30),
    ("ST-LILLE-01", "Lille Grand'Place", "24 Rue de Béthune", "Lille", "Hauts-de-France", "59800", "FR", 50.6342, 3.0627, "fr", "16:00", 35),
    ("ST-NANTES-01", "Nantes Crébillon", "9 Rue Crébillon", "Nantes", "Pays de la Loire", "44000", "FR", 47.2135, -1.5604, "fr-small", "15:00", 20),
    ("ST-BERLIN-01", "Berlin Mitte", "Rosenthaler Straße 40", "Berlin", "Berlin", "10178", "DE", 52.5243, 13.4021, "de", "16:30", 50),
    ("ST-BERLIN-02", "Berlin Charlottenburg", "Wilmersdorfer Straße 118", "Berlin", "Berlin", "10627", "DE", 52.5074, 13.3053, "de", "16:00", 30),
    ("ST-HAMBURG-01", "Hamburg Altstadt", "Mönckebergstraße 17", "Hamburg", "Hamburg", "20095", "DE", 53.5511, 10.0017, "de", "16:30", 45),
    ("ST-MUENCHEN-01", "München Altstadt", "Sendlinger Straße 28", "München", "Bayern", "80331", "DE", 48.1352, 11.5697, "de", "16:00", 45),
    ("ST-KOELN-01", "Köln Ehrenstraße", "Ehrenstraße 61", "Köln", "Nordrhein-Westfalen", "50672", "DE", 50.9388, 6.9414, "de-short", "15:30", 25),
    ("ST-AMSTERDAM-01", "Amsterdam Negen Straatjes", "Hartenstraat 14", "Amsterdam", "Noord-Holland", "1016 CB", "NL", 52.3718, 4.8858, "nl", "16:00", 40),
    ("ST-ROTTERDAM-01", "Rotterdam Lijnbaan", "Lijnbaan 77", "Rotterdam", "Zuid-Holland", "3012 EL", "NL", 51.9190, 4.4772, "nl", "16:00", 30),
    ("ST-BRUSSELS-01", "Bruxelles Dansaert", "Rue Antoine Dansaert 52", "Bruxelles", "", "1000", "BE", 50.8506, 4.3463, "be", "15:30", 30),
    ("ST-ANTWERP-01", "Antwerpen Meir", "Meir 85", "Antwerpen", "Antwerpen", "2000", "BE", 51.2184, 4.4093, "be", "15:30", 30),
    ("ST-MADRID-01", "Madrid Gran Vía", "Calle Gran Vía 32", "Madrid", "Madrid", "28013", "ES", 40.4201, -3.7035, "es-all-day", "16:00", 50),
    ("ST-BARCELONA-01", "Barcelona Eixample", "Rambla de Catalunya 70", "Barcelona", "Barcelona", "08007", "ES", 41.3915, 2.1637, "es-all-day", "16:00", 45),
    ("ST-VALENCIA-01", "València Colón", "Carrer de Colom 22", "Valencia", "Valencia", "46004", "ES", 39.4695, -0.3712, "es", "13:30", 20),
    ("ST-SEVILLA-01", "Sevilla Sierpes", "Calle Sierpes 41", "Sevilla", "Sevilla", "41004", "ES", 37.3911, -5.9945, "es", "13:30", 18),
    ("ST-LISBOA-01", "Lisboa Chiado", "Rua Garrett 46", "Lisboa", "Lisboa", "1200-204", "PT", 38.7107, -9.1407, "pt", "16:00", 35),
    ("ST-PORTO-01", "Porto Santa Catarina", "Rua de Santa Catarina 152", "Porto", "Porto", "4000-442", "PT", 41.1484, -8.6067, "pt", "15:30", 0),
    ("ST-MILANO-01", "Milano Brera", "Via Brera 23", "Milano", "MI", "20121", "IT", 45.4721, 9.1875, "it", "16:00", 45),
    ("ST-ROMA-01", "Roma Corso", "Via del Corso 120", "Roma", "RM", "00186", "IT", 41.9010, 12.4806, "it", "16:00", 40),
    ("ST-TORINO-01", "Torino Garibaldi", "Via Giuseppe Garibaldi 18", "Torino", "TO", "10122", "IT", 45.0728, 7.6823, "it-small", "12:30", 18),
    ("ST-FIRENZE-01", "Firenze Calzaiuoli", "Via dei Calzaiuoli 35", "Firenze", "FI", "50122", "IT", 43.7712, 11.2552, "it-small", "12:30", 0),
    ("ST-WIEN-01", "Wien Neubau", "Mariahilfer Straße 84", "Wien", "Wien", "1070", "AT", 48.1985, 16.3477, "at", "16:00", 40),
    ("ST-ZUERICH-01", "Zürich Niederdorf", "Niederdorfstrasse 29", "Zürich", "ZH", "8001", "CH", 47.3735, 8.5443, "ch", "15:30", 25),
    ("ST-KOBENHAVN-01", "København Strøget", "Amagertorv 11", "København", "", "1160", "DK", 55.6786, 12.5790, "north", "15:00", 30),
    ("ST-STOCKHOLM-01", "Stockholm Södermalm", "Götgatan 36", "Stockholm", "", "118 26", "SE", 59.3156, 18.0724, "north", "15:00", 30),
    ("ST-WARSZAWA-01", "Warszawa Nowy Świat", "ulica Nowy Świat 27", "Warszawa", "", "00-029", "PL", 52.2338, 21.0187, "pl", "16:00", 35),
    ("ST-KRAKOW-01", "Kraków Floriańska", "ulica Floriańska 14", "Kraków", "", "31-021", "PL", 50.0633, 19.9400, "pl", "15:30", 20),
    ("ST-DUBLIN-01", "Dublin Grafton", "61 Grafton Street", "Dublin", "", "D02 HW92", "IE", 53.3416, -6.2602, "gb", "15:30", 25),
    ("ST-LONDON-01", "London Covent Garden", "28 Neal Street", "London", "", "WC2H 9PS", "GB", 51.5142, -0.1262, "gb", "16:00", 60),
    ("ST-LONDON-02", "London Shoreditch", "142 Shoreditch High Street", "London", "", "E1 6JE", "GB", 51.5245, -0.0772, "gb", "16:00", 40),
    ("ST-MANCHESTER-01", "Manchester Northern Quarter", "70 Oldham Street", "Manchester", "", "M4 1LE", "GB", 53.4836, -2.2331, "gb", "15:30", 25),
    ("ST-NEWYORK-01", "New York SoHo", "112 Spring Street", "New York", "NY", "10012", "US", 40.7239, -73.9987, "us", "15:00", 60),
    ("ST-BOSTON-01", "Boston Back Bay", "190 Newbury Street", "Boston", "MA", "02116", "US", 42.3506, -71.0798, "us", "15:00", 35),
    ("ST-CHICAGO-01", "Chicago Wicker Park", "1520 North Milwaukee Avenue", "Chicago", "IL", "60622", "US", 41.9089, -87.6751, "us", "15:00", 35),
)  # fmt: skip

# code, name, kind, street, city, region, postcode, country, lat, lng, cut-off, lead days.
_OTHERS: tuple[tuple[str, str, Kind, str, str, str, str, str, float, float, str, int], ...] = (
    ("WH-CENTRAL", "Central warehouse Venlo", "warehouse", "Celsiusweg 40", "Venlo", "Limburg", "5928 PR", "NL", 51.3885, 6.1155, "20:00", 0),
    ("WH-SOUTH", "Warehouse Zaragoza", "warehouse", "Calle Bari 31", "Zaragoza", "Zaragoza", "50197", "ES", 41.6255, -0.9900, "18:00", 0),
    ("WH-US", "Warehouse Allentown", "warehouse", "7520 Industrial Boulevard", "Allentown", "PA", "18106", "US", 40.5855, -75.6230, "17:00", 0),
    ("SU-GUIMARAES", "Têxteis do Ave", "supplier", "Rua da Fábrica 210", "Guimarães", "Braga", "4810-225", "PT", 41.4425, -8.2918, "12:00", 4),
    ("SU-ELCHE", "Calzados del Vinalopó", "supplier", "Calle Severo Ochoa 18", "Elche", "Alicante", "03203", "ES", 38.2870, -0.6090, "12:00", 3),
    ("SU-PRATO", "Filatura e Pelletteria Bisenzio", "supplier", "Via Galcianese 93", "Prato", "PO", "59100", "IT", 43.8840, 11.0740, "11:00", 5),
    ("SU-BURSA", "Uludağ Konfeksiyon", "supplier", "Ata Bulvarı 14", "Bursa", "", "16140", "TR", 40.2310, 28.9640, "11:00", 7),
    ("DI-HAMBURG", "Nordhandel Home & Living", "distributor", "Peutestraße 22", "Hamburg", "Hamburg", "20539", "DE", 53.5200, 10.0350, "13:00", 2),
    ("DI-POZNAN", "Wielkopolska Hurtownia Sport", "distributor", "ulica Bukowska 285", "Poznań", "", "60-189", "PL", 52.4180, 16.8280, "13:00", 2),
)  # fmt: skip

# What those who ship on our behalf make or trade in; what they do not, they cannot send.
SUPPLIES: dict[str, tuple[str, ...]] = {
    "SU-GUIMARAES": ("apparel", "home"),
    "SU-ELCHE": ("shoes",),
    "SU-PRATO": ("accessories", "beauty"),
    "SU-BURSA": ("apparel", "accessories"),
    "DI-HAMBURG": ("home", "beauty", "toys"),
    "DI-POZNAN": ("outdoor", "toys", "shoes"),
}

# Order cost, line cost, parcels per day.
_OTHER_HANDLING: dict[Kind, tuple[str, str, int | None]] = {
    "warehouse": ("0.95", "0.15", None),
    "supplier": ("2.40", "0.30", 150),
    "distributor": ("1.80", "0.25", 300),
}


def locations() -> tuple[LocationSpec, ...]:
    """3 warehouses, 40 stores, 4 suppliers, 2 distributors, in this order of codes' kinds."""
    return LOCATIONS


def purchase_orders(
    *, categories: Mapping[str, str], wanted: Collection[str] = (), seed: int = 1
) -> Iterator[SupplySpec]:
    """60 lines of 15 purchase orders on their way from the four suppliers.

    `categories` is SKU -> category; each supplier sends only what it makes. SKUs in `wanted` that a
    supplier makes are ordered for certain, so that what is sold out comes back.
    """
    rng = random.Random(f"purchase-orders-{seed}")
    suppliers = [spec.code for spec in LOCATIONS if spec.kind == "supplier"]
    destinations = ("WH-CENTRAL", "WH-CENTRAL", "WH-SOUTH", "WH-CENTRAL", "WH-US")
    urgent = sorted(wanted)
    ordered: set[str] = set()
    for number in range(15):
        supplier = suppliers[number % len(suppliers)]
        own = [s for s in sorted(categories) if categories[s] in SUPPLIES[supplier]]
        first = [sku for sku in urgent if sku in set(own) and sku not in ordered][:4]
        others = [sku for sku in own if sku not in ordered and sku not in first]
        skus = first + rng.sample(others, 4 - len(first))
        ordered.update(skus)
        eta = rng.randint(2, 45)
        for sku in skus:
            yield SupplySpec(
                reference=f"PO-{4101 + number}",
                supplier_code=supplier,
                location_code=destinations[number % len(destinations)],
                sku=sku,
                quantity=12 * rng.randint(2, 20),
                # Parts of an order come late: usually with the rest, sometimes a week or two on.
                eta_days_from_now=eta + rng.choice((0, 0, 0, 7, 14)),
            )


def _hours(template: str) -> OpeningHours:
    """All seven days of a template, each a list of [from, to]."""
    hours: OpeningHours = {day: [] for day in WEEKDAYS}
    for days, text in _HOURS[template].items():
        first, _, last = days.partition("-")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        for day in WEEKDAYS[begin : end + 1]:
            hours[day] = [interval.split("-") for interval in text.split()]
    return hours


def _stores() -> Iterator[LocationSpec]:
    for row in _STORES:
        code, name, line1, city, region, postcode, country, lat, lng, hours, cutoff, capacity = row
        order, line = _STORE_HANDLING.get(country, _DEFAULT_STORE_HANDLING)
        yield LocationSpec(
            code=code, name=name, kind="store", is_central=False, line1=line1, city=city,
            region=region, postcode=postcode, country=country, lat=lat, lng=lng,
            timezone="America/Chicago" if region == "IL" else _TIMEZONES[country],
            opening_hours=_hours(hours), cutoff=cutoff, lead_days=0, can_ship=capacity > 0,
            can_pickup=True, can_receive_returns=True, capacity_per_day=capacity,
            handling_order=Decimal(order), handling_line=Decimal(line),
        )  # fmt: skip


def _others() -> Iterator[LocationSpec]:
    for row in _OTHERS:
        code, name, kind, line1, city, region, postcode, country, lat, lng, cutoff, lead = row
        order, line, capacity = _OTHER_HANDLING[kind]
        own = kind == "warehouse"
        yield LocationSpec(
            code=code, name=name, kind=kind, is_central=code == "WH-CENTRAL", line1=line1,
            city=city, region=region, postcode=postcode, country=country, lat=lat, lng=lng,
            timezone=_TIMEZONES[country], opening_hours=_hours("warehouse" if own else "office"),
            cutoff=cutoff, lead_days=lead, can_ship=True, can_pickup=False,
            can_receive_returns=own, capacity_per_day=capacity, handling_order=Decimal(order),
            handling_line=Decimal(line),
        )  # fmt: skip


def _all() -> tuple[LocationSpec, ...]:
    others = tuple(_others())
    own = tuple(spec for spec in others if spec.kind == "warehouse")
    return own + tuple(_stores()) + others[len(own) :]


LOCATIONS: tuple[LocationSpec, ...] = _all()
