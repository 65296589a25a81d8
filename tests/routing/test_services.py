"""Services, tariffs and factors as people edit them."""

import io
from decimal import Decimal

import pytest
from django.urls import reverse

from orders.models import DeliveryService
from routing.models import EmissionFactor


@pytest.fixture
def console(client, company):
    client.force_login(company.user("ada", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def parcel(company):
    return DeliveryService.objects.get()


def address(name, *args):
    return reverse(f"admin:orders_deliveryservice_{name}", args=args)


def form(**changes):
    van = str(EmissionFactor.objects.get(code="van").pk)
    return {
        "name": "Night", "code": "night", "carrier": "Owl", "position": "5", "active": "on",
        "serves": ["express"], "km_1": "300", "days_1": "1", "days_2": "3",
        "emission-TOTAL_FORMS": "1", "emission-INITIAL_FORMS": "0", "emission-0-last_mile": van,
        "emission-0-last_mile_km": "30", "emission-0-linehaul": van,
        "emission-0-detour_factor": "1.25", "emission-0-kg_fixed_per_parcel": "0.27", **changes,
    }  # fmt: skip


def test_a_service_is_described_in_steps_not_in_json(console, company):
    answer = console.post(address("add"), form())
    assert answer.status_code == 302, answer.context["errors"]
    night = DeliveryService.objects.get(code="night")
    assert (night.serves, night.transit) == (["express"], [[300, 1], [None, 3]])
    assert night.emission.last_mile.code == "van"
    listed = console.get(address("changelist")).content.decode()
    assert "to 300 km 1 day; farther 3 days" in listed


@pytest.mark.parametrize(
    ("steps", "field", "words"),
    [
        ({"km_2": "200"}, "km_2", "farther than 300 km"),
        ({"km_1": ""}, "km_2", "any farther already"),
        ({"km_2": "500", "days_2": ""}, "days_2", "How many working days"),
        ({"days_1": "4"}, "days_2", "at least 4 days"),
        ({"km_1": "", "days_1": "", "days_2": ""}, "days_1", "In how many"),
    ],
)
def test_steps_that_cannot_be_are_said_at_their_field(console, company, steps, field, words):
    answer = console.post(address("add"), form(**steps))
    assert words in str(answer.context["adminform"].form.errors[field])
    assert not DeliveryService.objects.filter(code="night").exists()


def test_a_tariff_is_a_grid_that_grows_and_shrinks(console, parcel):
    console.post(address("tariff", parcel.pk), {
        "km_0": "100", "km_1": "", "km_2": "500", "g_0": "1000", "g_1": "5000",
        "price_0_0": "4.50", "price_1_0": "9", "price_2_0": "6,20", "price_2_1": "8.1",
    })  # fmt: skip
    found = parcel.bands.values_list("max_km", "max_g", "price")
    assert list(found) == [
        (100, 1000, Decimal("4.50")), (500, 1000, Decimal("6.20")), (500, 5000, Decimal("8.10")),
    ]  # fmt: skip


def test_what_is_no_price_or_distance_is_said_in_its_cell_and_nothing_changes(console, parcel):
    before = list(parcel.bands.values_list("price", flat=True))
    answer = console.post(address("tariff", parcel.pk), {
        "km_0": "100", "km_1": "100", "km_2": "", "g_0": "x", "price_0_0": "cheap",
        "price_2_0": "3",
    })  # fmt: skip
    assert answer.context["grid"].errors == {
        "km_1": "is there twice", "g_0": "a whole number", "price_0_0": "not an amount",
        "km_2": "how far?",
    }  # fmt: skip
    empty = console.post(address("tariff", parcel.pk), {"km_0": "", "g_0": ""})
    assert "at least one price" in empty.content.decode()
    assert list(parcel.bands.values_list("price", flat=True)) == before


def test_a_tariff_leaves_as_a_file_and_comes_back(console, parcel):
    file = b"".join(console.get(address("tariff_file", parcel.pk)).streaming_content).decode()
    assert file.splitlines()[1] == "300,2000,5.00"

    def send(text):
        upload = io.BytesIO(text.encode())
        upload.name = "tariff.csv"
        return console.post(address("upload", parcel.pk), {"file": upload})

    assert (
        "Row 2, price: &#x27;dear&#x27;" in send(file.replace("5.00", "dear", 1)).content.decode()
    )
    assert parcel.bands.get(max_km=300, max_g=2000).price == 5
    assert send(file.replace("5.00", "5.55", 1)).status_code == 302
    assert parcel.bands.get(max_km=300, max_g=2000).price == Decimal("5.55")
    assert parcel.bands.count() == 6
