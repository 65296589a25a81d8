"""The decision card: why, what if, the map, the trade-off, and the same answer again."""

import re
from xml.etree import ElementTree

import pytest
from django.urls import reverse

from orders.models import DeliveryService
from routing import checking, plots
from routing.models import Decision, EmissionFactor, Rule, ServiceEmission, TariffBand
from routing.plots import charts, world
from routing.plots.svg import Box
from tests.cast import change_rules, rules_open
from tests.routing import scenes
from tests.routing.scenes import route

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


@pytest.fixture
def clean_van(company):
    """A service that costs more and emits less."""
    quiet = EmissionFactor.objects.get(code="electric-van")
    van = DeliveryService.objects.create(code="evan", name="Electric van", position=999,
                                         serves=["standard"], transit=[[None, 1]])  # fmt: skip
    ServiceEmission.objects.create(service=van, last_mile=quiet, linehaul=quiet,
                                   kg_fixed_per_parcel=0.05)  # fmt: skip
    TariffBand.objects.create(service=van, max_km=3000, max_g=30000, price="8.00")


def page(console, decision):
    return console.get(
        reverse("admin:routing_decision_change", args=[decision.pk])
    ).content.decode()


def pictures(html):
    """The drawings of a page, each proven to be well-formed."""
    return [ElementTree.fromstring(text) for text in SVG.findall(html) if 'class="plot"' in text]


def test_rules_are_shown_in_the_order_they_were_tried_with_why_the_next_one_was(console, company):
    with rules_open():
        Rule.objects.update(name="Near only", max_km=0.5, otherwise="next")
        Rule.objects.create(rule_set=company.rules, position=2, name="Anybody")
    html = page(console, route(company.place(("BAG", 1))))
    first, second = html.index("Near only"), html.index("<strong>Anybody</strong>")
    assert first < second
    assert "Nothing can be sent: the points that have it may not send it" in html[first:second]
    assert "the limit is 0.5 km" in html[first:second]
    assert "Lyon store was chosen" in html[second:]


def test_who_fell_out_is_shown_with_the_rule_the_value_and_the_limit(console, client, company):
    change_rules(max_km=500)
    decision = route(company.place(("TEE", 1)))
    html = page(console, decision)
    row = html[html.index('<th scope="row">Riga warehouse') :].split("</tr>")[0]
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)
    assert cells[1] == "too far"
    assert cells[3] == "500"
    assert 1800 < float(cells[2]) < 1830  # km from Riga to Lyon
    body = client.get(
        f"/api/v1/orders/{decision.order.number}/decisions/{decision.pk}",
        headers={"Authorization": f"Bearer {company.web_key}"},
    ).json()  # fmt: skip
    (riga,) = [one for one in body["candidates"] if one["location"] == "RIGA"]
    assert (riga["eliminations"][0]["rule"], riga["eliminations"][0]["limit"]) == ("too_far", 500)
    assert body["what_if"][0].startswith(("Paris store would", "Orléans warehouse would"))
    assert (body["probability"], body["parcels"][0]["service"]) == (1.0, "Parcel")


def test_the_map_shows_every_stock_point_and_the_chosen_leg_thickest(console, company):
    html = page(console, route(company.place(("BAG", 1))))
    drawn = pictures(html)[0]
    kinds = [one.get("class").split()[-1] for one in drawn.iter("circle")]
    assert sorted(kinds) == ["plot-chosen", "plot-goal", "plot-out", "plot-possible"]
    assert "1 of them beyond the edge" in html  # Riga
    legs = {one.get("class"): float(one.get("stroke-width")) for one in drawn.iter("path")
            if "plot-leg" in one.get("class")}  # fmt: skip
    assert legs["plot-leg plot-leg-chosen"] > legs["plot-leg"]
    assert "Lyon store" in [one.text for one in drawn.iter("text")]
    assert "http" not in ElementTree.tostring(drawn, encoding="unicode")


def test_the_trade_off_has_the_cleaner_plan_and_what_it_costs(console, company, clean_van):
    html = page(console, route(company.place(("BAG", 1))))
    _, curve = pictures(html)
    dots = [one.get("class") for one in curve.iter("circle")]
    assert len(dots) >= 2
    assert sum("plot-chosen" in one for one in dots) == 1
    assert "The plans in a table" in html


def test_the_same_input_gives_the_same_answer_and_a_changed_one_is_told(console, client, company):
    decision = route(company.place(("TEE", 2)))
    url = reverse("admin:routing_decision_same_answer", args=[decision.pk])
    assert "Equal to the last figure" in console.get(url).content.decode()
    result = decision.result
    result["plan"]["total"] = "1.0000"
    Decision.objects.filter(pk=decision.pk).update(result=result, engine_version="older")
    api = f"/api/v1/orders/{decision.order.number}/decisions/{decision.pk}/check"
    body = client.get(api, headers={"Authorization": f"Bearer {company.web_key}"}).json()
    assert (body["equal"], body["count"]) == (False, 1)
    assert body["differences"][0]["path"] == "plan.total"
    assert body["words"].startswith("Engine older decided then")
    assert "plan.total" in console.get(url).content.decode()


def test_a_decision_that_never_asked_the_engine_has_a_card_without_pictures(console, company):
    company.rules.state = "archived"
    company.rules.save()
    decision = route(company.place(("TEE", 1)))
    assert pictures(page(console, decision)) == []
    assert checking.check(decision).is_equal


def test_names_that_would_cover_each_other_are_left_out_of_a_map():
    crowd = [plots.Place(f"Store {n}", 45.0 + n / 1000, 5.0, "possible") for n in range(10)]
    text = plots.draw("m", places=[*crowd, plots.Place("<b>&", 47.0, 7.0, "goal")], title="t",
                      desc="d")  # fmt: skip
    drawn = ElementTree.fromstring(text)
    names = [one.text for one in drawn.iter("text")]
    assert "<b>&" in names
    assert 1 < len(names) < 11
    assert len(list(drawn.iter("circle"))) == 11


def test_outlines_are_cut_to_the_picture_and_go_round_the_date_line():
    x, y = world.project(48.0, 2.0)
    france = world.outlines(Box(x - 0.1, -y - 0.1, x + 0.1, -y + 0.1), 1000)
    assert france
    assert all(-9 <= c <= 209 for ring in france for point in ring for c in point)
    ends = [plots.Place("a", -17.0, 179.0, "goal"), plots.Place("b", -17.0, -179.0, "chosen")]
    fiji = plots.draw("d", places=ends, title="", desc="")
    spots = [float(one.get("cx")) for one in ElementTree.fromstring(fiji).iter("circle")]
    assert abs(spots[0] - spots[1]) > 300


@pytest.mark.parametrize(("low", "high"), [(0, 1), (12.4, 15.2), (3, 3), (0, 0), (0.001, 9999)])
def test_ticks_are_round_and_hold_all_figures(low, high):
    found = charts.ticks(low, high)
    assert found[0] <= low + 1e-9
    assert found[-1] >= high - 1e-9
    assert 2 <= len(found) <= 8


def test_a_run_is_drawn_with_its_orders_and_where_they_go(console, company):
    from routing import pictures as drawing
    from routing.models import Run

    run = Run.objects.create(cause="manual", state="done", done=3)
    scenes.queue_when_short(company)
    for items in ([("TEE", 1)], [("BAG", 2)], [("SOLD", 1)]):
        decision = route(company.place(*items))
        Decision.objects.filter(pk=decision.pk).update(run=run)
    shown = drawing.of_run(run)
    assert {row.words: row.count for row in shown.outcomes} == {
        "routed": 2, "partly routed": 0, "unfillable": 1,
    }  # fmt: skip
    assert sum(row.count for row in shown.places) == 2
    html = console.get(reverse("admin:routing_run_change", args=[run.pk])).content.decode()
    assert len(pictures(html)) == 2
