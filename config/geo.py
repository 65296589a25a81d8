"""Where in the world is this address? Answered offline from tables in config/data.

`locate` walks a chain from fine to coarse: the town of that name, the main town of the postal
area, the middle of the region, the middle of the country. Middles are weighted by population, so
they lie where people live. The tables stay one compressed text in memory (about 5 MB unpacked);
a country is indexed when it is first asked for.
"""

import csv
import gzip
import io
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, SupportsFloat

# "exact" is for a point that somebody else measured; `locate` never claims it.
Precision = Literal["exact", "city", "region", "country"]

EARTH_RADIUS_KM = 6371.0088  # IUGG mean radius R1

_DATA = Path(__file__).with_name("data")
_ISO_ALIASES = {"UK": "GB", "EL": "GR"}  # what the United Kingdom and the EU write themselves
# Letters that Unicode does not take apart into a base letter and an accent.
_BARE = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}
)
_SAINTS = {"saint": "st", "sankt": "st", "sainte": "ste"}
_NOT_LETTERS = re.compile(r"[\W_]+")
# "Lyon Cedex 03", "Paris 11e", "Praha 5", "København K": the town is what is left without these.
_DISTRICT = re.compile(r"\b(cedex|arrondissement|\w*\d\w*|[a-z])\b")


class Positioned(Protocol):
    """Anything with a latitude and a longitude in degrees (WGS 84)."""

    @property
    def lat(self) -> SupportsFloat: ...
    @property
    def lng(self) -> SupportsFloat: ...


@dataclass(frozen=True, slots=True)
class Point:
    """Degrees (WGS 84) and how closely they are known."""

    lat: float
    lng: float
    precision: Precision


class City(NamedTuple):
    """One town; `admin1` is the GeoNames code of its region (in the US the state's two letters)."""

    name: str
    country: str
    admin1: str
    region: str
    lat: float
    lng: float
    population: int
    timezone: str


class _Row(NamedTuple):
    admin1: str
    lat: float
    lng: float
    population: int
    timezone: str
    names: list[str]


def distance_km(a: Positioned, b: Positioned) -> float:
    """Great-circle distance in km (haversine formula on a sphere)."""
    lat_a, lat_b = math.radians(float(a.lat)), math.radians(float(b.lat))
    half_lat = (lat_b - lat_a) / 2
    half_lng = math.radians(float(b.lng) - float(a.lng)) / 2
    h = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lng) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


@lru_cache(maxsize=8192)
def locate(*, country: str, postcode: str = "", city: str = "", region: str = "") -> Point | None:
    """The best known point of an address; None when the country (ISO 3166-1 alpha-2) is unknown.

    Names match without regard to case and accents, in the local language or in English. Of several
    towns with one name, those in the region are looked at first, then the one nearest to the
    postal area's main town wins, or, without a known postcode, the largest. Precision is "city"
    for a town, "region" for a postal area or region, "country" for the rest.
    """
    code = _iso(country)
    if not _country_slice(code):
        return None
    admin1 = _admin1(code, fold(region)) if region else None
    area = _postal_area(code, postcode)
    towns = _towns(code, city)
    if towns:
        row = _pick(towns, admin1, area)
        return Point(row.lat, row.lng, "city")
    if area:
        return area
    middles = _middles(code)
    if admin1 in middles and admin1 is not None:
        return Point(*middles[admin1], "region")
    return Point(*middles[None], "country")


def cities(*, country: str, limit: int | None = None) -> list[City]:
    """The towns of a country (above 5,000 inhabitants or a seat of government), largest first."""
    code = _iso(country)
    regions = {admin1: names[0] for admin1, names in _regions(code)}
    rows = sorted(_rows(code), key=lambda row: (-row.population, row.names[0]))
    return [
        City(r.names[0], code, r.admin1, regions.get(r.admin1, ""), *r[1:5]) for r in rows[:limit]
    ]


@lru_cache(maxsize=64)
def postcode_areas(*, country: str) -> Mapping[str, Point]:
    """Prefix of the postcode -> main town of that postal area; empty where we have no table."""
    code = _iso(country)
    areas = {}
    for area_country, prefix, place in _table("postcode_areas.csv"):
        if area_country == code and (towns := _towns(code, place)):
            largest = max(towns, key=lambda row: row.population)
            areas[prefix] = Point(largest.lat, largest.lng, "region")
    return areas


def fold(name: str) -> str:
    """A name as it is compared: bare lower-case letters, one space between words, St = Saint."""
    bare = name.casefold().translate(_BARE)
    if not bare.isascii():
        parts = unicodedata.normalize("NFKD", bare)
        bare = "".join(c for c in parts if not unicodedata.combining(c))
    return " ".join(_SAINTS.get(w, w) for w in _NOT_LETTERS.sub(" ", bare).split())


def _iso(country: str) -> str:
    code = country.strip().upper()
    return _ISO_ALIASES.get(code, code)


def _pick(towns: list[_Row], admin1: str | None, area: Point | None) -> _Row:
    inside = [row for row in towns if row.admin1 == admin1] or towns
    if area and len(inside) > 1:
        return min(inside, key=lambda row: distance_km(row, area))
    return max(inside, key=lambda row: row.population)


def _postal_area(code: str, postcode: str) -> Point | None:
    """The area with the longest prefix of this postcode ("EC1A 1BB" is in EC, not in E)."""
    compact = re.sub(r"[^0-9A-Z]", "", postcode.upper().removeprefix(f"{code}-"))
    if not compact:
        return None
    areas = postcode_areas(country=code)
    for length in range(min(4, len(compact)), 0, -1):
        if area := areas.get(compact[:length]):
            return area
    return None


def _towns(code: str, city: str) -> list[_Row]:
    """Rows of the towns of that name, looked up as written, then without district numbers."""
    wanted = fold(city)
    found = _named(code, wanted)
    if not found and (shorter := " ".join(_DISTRICT.sub(" ", wanted).split())) != wanted:
        found = _named(code, shorter)
    return found


def _named(code: str, wanted: str) -> list[_Row]:
    if not wanted:
        return []
    keys, places, found, at = _names(code), _places(), [], 0
    while (at := keys.find(f"|{wanted}|", at)) >= 0:
        end = keys.index("\n", at)
        offset = int(keys[keys.rindex("|", at, end) + 1 : end])
        found.append(_parse(places[offset : places.index(b"\n", offset)].decode()))
        at = end
    return found


@lru_cache(maxsize=1)
def _places() -> bytes:
    """The whole table as UTF-8 CSV lines, sorted by country."""
    return gzip.decompress((_DATA / "places.csv.gz").read_bytes())


@lru_cache(maxsize=512)
def _country_slice(code: str) -> tuple[int, int] | None:
    """Where the lines of a country begin and end in the table."""
    if not re.fullmatch("[A-Z]{2}", code):
        return None
    places, mark = _places(), f"\n{code},".encode()
    start = places.find(mark)
    if start < 0:
        return None
    return start + 1, places.index(b"\n", places.rindex(mark) + 1) + 1


def _lines(code: str) -> Iterator[bytes]:
    where = _country_slice(code)
    return iter(io.BytesIO(_places()[slice(*where)]) if where else ())


def _rows(code: str) -> Iterator[_Row]:
    return (_parse(line.decode()) for line in _lines(code))


def _parse(line: str) -> _Row:
    _, admin1, lat, lng, population, timezone, names = next(csv.reader([line.rstrip("\n")]))
    return _Row(admin1, float(lat), float(lng), int(population), timezone, names.split("|"))


@lru_cache(maxsize=256)
def _names(code: str) -> str:
    r"""Lines of "|name|other name|offset\n": one string, since a dict would take ten times more."""
    where = _country_slice(code)
    offset = where[0] if where else 0
    lines = []
    for line in _lines(code):
        names = line.decode().rstrip("\n").split(",", 6)[6].split("|")
        lines.append(f"|{'|'.join(map(fold, names))}|{offset}\n")
        offset += len(line)
    return "".join(lines)


@lru_cache(maxsize=256)
def _middles(code: str) -> dict[str | None, tuple[float, float]]:
    """Population-weighted middle of each region, and of the country under None.

    Weighted mean of unit vectors, so that the date line and the poles need no special care.
    """
    sums: dict[str | None, list[float]] = {}
    for row in _rows(code):
        lat, lng, weight = math.radians(row.lat), math.radians(row.lng), max(row.population, 1)
        east, north = math.cos(lat) * math.cos(lng), math.cos(lat) * math.sin(lng)
        for key in (row.admin1, None):
            total = sums.setdefault(key, [0.0, 0.0, 0.0])
            total[0] += weight * east
            total[1] += weight * north
            total[2] += weight * math.sin(lat)
    return {key: _degrees(*total) for key, total in sums.items()}


def _degrees(x: float, y: float, z: float) -> tuple[float, float]:
    lat = math.degrees(math.atan2(z, math.hypot(x, y)))
    return round(lat, 4), round(math.degrees(math.atan2(y, x)), 4)


@lru_cache(maxsize=4)
def _table(filename: str) -> list[list[str]]:
    with (_DATA / filename).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


@lru_cache(maxsize=256)
def _regions(code: str) -> list[tuple[str, list[str]]]:
    """(code of the region in the places table, its names and ISO 3166-2 codes) of a country."""
    rows = _table("regions.csv")
    return [(admin1, names.split("|")) for country, admin1, names in rows if country == code]


@lru_cache(maxsize=256)
def _region_names(code: str) -> dict[str, str]:
    """Folded name -> region; a region's own name goes before those of provinces inside others."""
    ranked = (
        (rank, admin1, fold(name))
        for admin1, names in _regions(code)
        for rank, name in enumerate(names)
    )
    return {name: admin1 for _, admin1, name in sorted(ranked, reverse=True)}


def _admin1(code: str, wanted: str) -> str | None:
    known = _region_names(code)
    return known.get(wanted) or known.get(wanted.removeprefix(f"{code.lower()} "))
