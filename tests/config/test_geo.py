"""The offline geocoder: names, ties, and what is left when a town is unknown."""

import time
import tracemalloc
from pathlib import Path

import pytest

from config import geo
from config.geo import Point, distance_km, locate

LYON = Point(45.76, 4.84, "city")


@pytest.mark.parametrize(
    ("country", "city", "lat", "lng"),
    [
        ("FR", "Lyon", 45.76, 4.84),
        ("fr", "LYON CEDEX 03", 45.76, 4.84),
        ("FR", "saint etienne", 45.43, 4.39),
        ("FR", "St-Étienne", 45.43, 4.39),
        ("DE", "München", 48.14, 11.58),
        ("DE", "munchen", 48.14, 11.58),
        ("DE", "Muenchen", 48.14, 11.58),
        ("DE", "Munich", 48.14, 11.58),
        ("IT", "Firenze", 43.77, 11.25),
        ("PL", "Lodz", 51.77, 19.46),
        ("DK", "København K", 55.68, 12.57),
        ("CZ", "Praha 5", 50.09, 14.42),
        ("UK", "Newcastle upon Tyne", 54.97, -1.61),
        ("CH", "Sankt Gallen", 47.42, 9.37),
        ("JP", "Osaka", 34.69, 135.50),
    ],
)
def test_a_town_is_found_however_its_name_is_written(country, city, lat, lng):
    found = locate(country=country, city=city)
    assert found is not None
    assert found.precision == "city"
    assert distance_km(found, Point(lat, lng, "city")) < 5


def test_of_towns_with_one_name_the_largest_wins():
    newport = locate(country="GB", city="Newport")
    assert distance_km(newport, locate(country="GB", city="Cardiff")) < 25


def test_the_region_decides_between_towns_with_one_name():
    by_code = locate(country="US", city="Springfield", region="MA")
    by_name = locate(country="US", city="Springfield", region="Massachusetts")
    by_iso = locate(country="US", city="Springfield", region="US-MA")
    assert by_code == by_name == by_iso
    assert by_code != locate(country="US", city="Springfield")
    assert distance_km(by_code, locate(country="US", city="Boston")) < 150


def test_the_postcode_decides_between_towns_with_one_name():
    found = locate(country="GB", city="Newport", postcode="PO30 1AA")
    assert distance_km(found, locate(country="GB", city="Southampton")) < 40


def test_a_wrong_region_does_not_hide_a_town():
    assert locate(country="FR", city="Lyon", region="Bretagne") == locate(country="FR", city="Lyon")


def test_an_unknown_town_is_put_in_its_postal_area():
    found = locate(country="FR", city="Trifouillis-les-Oies", postcode="69460")
    assert found.precision == "region"
    assert distance_km(found, LYON) < 5


def test_the_longest_prefix_of_a_postcode_counts():
    assert locate(country="GB", postcode="m1 1ae") == locate(country="GB", postcode="M60")
    assert locate(country="GB", postcode="ME4 4AA") != locate(country="GB", postcode="M4 4AA")


@pytest.mark.parametrize("region", ["Bayern", "Bavaria", "BY", "DE-BY", "bayern"])
def test_without_town_and_postcode_the_region_answers(region):
    found = locate(country="DE", region=region)
    assert found.precision == "region"
    assert distance_km(found, locate(country="DE", city="Ingolstadt")) < 60


def test_a_province_stands_for_the_region_around_it():
    milan = locate(country="IT", region="MI")
    assert milan == locate(country="IT", region="Lombardia")


def test_with_nothing_else_known_the_country_answers_where_its_people_live():
    found = locate(country="CA", city="Nowhere at all")
    assert found.precision == "country"
    assert found.lat < 51  # far south of the middle of the map


def test_a_country_across_the_date_line_has_its_middle_there_too():
    assert abs(locate(country="FJ").lng) > 170


@pytest.mark.parametrize("country", ["XX", "", "F", "FRA", "\x00\x00", "F|"])
def test_an_unknown_country_has_no_point(country):
    assert locate(country=country, city="Lyon", postcode="69001") is None


@pytest.mark.parametrize("odd", ["|", "a|b", "\n", "\x00", "\ud800", "'; --", "9" * 5000, "   "])
def test_odd_text_falls_back_and_never_fails(odd):
    found = locate(country="FR", city=odd, postcode=odd, region=odd)
    assert found.precision in {"country", "region"}


def test_distance_follows_the_great_circle():
    london, paris = Point(51.5074, -0.1278, "city"), Point(48.8566, 2.3522, "city")
    assert distance_km(london, paris) == pytest.approx(343.6, abs=0.5)
    assert distance_km(london, london) == 0
    assert distance_km(Point(0, 179.5, "city"), Point(0, -179.5, "city")) == pytest.approx(
        111.2, abs=0.1
    )
    assert distance_km(Point(0, 0, "city"), Point(0, 180, "city")) == pytest.approx(20015, abs=1)


def test_every_postal_area_names_a_town_of_its_country():
    for country in ("FR", "DE", "GB", "US"):
        areas = geo.postcode_areas(country=country)
        rows = [r for r in geo._table("postcode_areas.csv") if r[0] == country]
        assert len(areas) == len(rows) > 80


def test_the_largest_towns_of_a_country_come_first():
    towns = geo.cities(country="FR", limit=3)
    assert [town.name for town in towns] == ["Paris", "Marseille", "Lyon"]
    assert towns[2].timezone == "Europe/Paris"
    assert geo.cities(country="XX") == []


def test_the_table_stays_small_on_disk_in_memory_and_in_time():
    file = Path(geo.__file__).with_name("data") / "places.csv.gz"
    assert file.stat().st_size < 1_300_000
    cached = [value for value in vars(geo).values() if hasattr(value, "cache_clear")]
    for function in cached:
        function.cache_clear()
    began = time.process_time()
    locate(country="FR", city="Lyon")
    assert time.process_time() - began < 0.15
    for function in cached:
        function.cache_clear()
    tracemalloc.start()
    try:
        for country in ("FR", "DE", "US", "GB", "IT", "ES", "NL", "BE", "CN", "IN"):
            locate(country=country, city="Nowhere", postcode="12345", region="None")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
