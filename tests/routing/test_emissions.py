"""CO2e of parcels: planned by the decision, actual by what left, and the report of both."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from config.geo import Point, distance_km
from fulfillment import work
from orders.models import DeliveryService
from routing.models import Decision, EmissionFactor, ServiceEmission, TariffBand
from tests.fulfillment import stage

VAN, ARTIC = 0.63823 + 0.15335, 0.07800 + 0.01823


def expected(parcel, grams, *, first=VAN, rest=ARTIC):
    contact = parcel.order.contact
    km = round(distance_km(parcel.location, Point(contact.lat, contact.lng, "exact")), 1)
    near = min(km, 30.0)
    return 0.27 + grams / 1e6 * 1.25 * (first * near + rest * (km - near))


@pytest.fixture
def parcel(company):
    return stage.shipped(stage.asked(company, ("TEE", 2), at="WH"))


def test_what_left_as_planned_has_the_planned_figure(parcel):
    assert parcel.kg_co2_planned == pytest.approx(Decision.objects.get().kg_co2, abs=1e-4)
    assert parcel.kg_co2 == pytest.approx(parcel.kg_co2_planned, abs=2e-4)
    assert parcel.kg_co2 == pytest.approx(expected(parcel, 600), abs=1e-4)


def test_a_scale_and_another_carrier_change_the_actual_figure_only(company):
    quiet = EmissionFactor.objects.get(code="electric-van")
    evan = DeliveryService.objects.create(code="evan", name="E-van", carrier="Volt", position=999,
                                          serves=["standard"], transit=[[None, 1]])  # fmt: skip
    ServiceEmission.objects.create(service=evan, last_mile=quiet, linehaul=quiet)
    TariffBand.objects.create(service=evan, max_km=10, max_g=1, price="99.00")
    row = stage.until(stage.asked(company, ("TEE", 2), at="WH"), "packed")
    parcel = work.ship(fulfillment_order_id=row.pk, carrier="VOLT", tracking_number="V1",
                       actor="lea", weight_g=1250).parcel  # fmt: skip
    factor = quiet.kg_per_tkm + quiet.wtt_kg_per_tkm
    assert (parcel.service, parcel.weight_g) == ("evan", 1250)
    assert parcel.kg_co2 == pytest.approx(expected(parcel, 1250, first=factor, rest=factor), 1e-3)
    assert parcel.kg_co2_planned == pytest.approx(expected(parcel, 600), abs=2e-4)


def test_a_carriers_weight_and_its_own_figure_come_with_a_fact(client, company, parcel):
    def tell(status, **more):
        return client.post(
            "/api/v1/parcels/ups/1Z-1/events", {"status": status, "at": timezone.now(), **more},
            content_type="application/json",
            headers={"Authorization": f"Bearer {company.location_key('WH')}"},
        ).json()  # fmt: skip

    body = tell("in_transit", weight_g=900)  # no news of where it is, but of what it weighs
    assert body["weight_g"] == 900
    assert body["kg_co2"] == pytest.approx(expected(parcel, 900), abs=1e-4)
    assert tell("delivered", kg_co2e=0.41)["kg_co2"] == 0.41
    assert body["kg_co2_planned"] == pytest.approx(expected(parcel, 600), abs=2e-4)


def test_what_is_collected_over_the_counter_emits_nothing_on_the_way(client, company):
    row = stage.until(stage.for_pickup(company, ("TEE", 1)), "ready")
    work.collect(fulfillment_order_id=row.pk, name="Ana", actor="lea")
    body = client.get(f"/api/v1/orders/{row.order.number}?include=shipments",
                      headers={"Authorization": f"Bearer {company.web_key}"}).json()  # fmt: skip
    assert [(one["kg_co2_planned"], one["kg_co2"]) for one in body["shipments"]] == [(0.0, 0.0)]


def test_the_report_adds_parcels_up_and_exports_the_rows_behind(admin_client, company, parcel):
    when = datetime(2026, 9, 7, 12, tzinfo=UTC)
    type(parcel).objects.update(shipped_at=when)
    old = stage.shipped(stage.asked(company, ("MUG", 1), at="WH"), "1Z-2")
    type(parcel).objects.filter(pk=old.pk).update(shipped_at=when, kg_co2=None, kg_co2_planned=None)
    span = "first=2026-09-07&last=2026-09-07"
    page = admin_client.get(f"/admin/co2/?{span}")
    total = page.context["totals"]
    assert (total.parcels, total.unknown) == (2, 1)
    assert total.actual == pytest.approx(parcel.kg_co2)
    assert "DESNZ" in page.content.decode()
    text = b"".join(admin_client.get(f"/admin/co2/parcels.csv?{span}").streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert [row["tracking"] for row in rows] == ["1Z-1", "1Z-2"]
    assert float(rows[0]["kg_co2e"]) == pytest.approx(parcel.kg_co2)
    assert "0.27 + 0.0006 t" in rows[0]["how"]
