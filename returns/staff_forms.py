"""What staff fill in at the console: arrivals, grades, refunds, a return on a customer's behalf."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import forms as django_forms
from django.db.models import Prefetch, Q
from django.template.loader import render_to_string

from config import forms
from inventory.models import Location
from orders.money import in_words, rounded
from returns import policy, process
from returns.models import Return, ReturnedUnits, ReturnLine
from returns.returnable import Room

INPUT = " ".join(forms.BASE_INPUT_CLASSES)
Grade = ReturnedUnits.Grade


def of_lines(prefix: str, data: Mapping[str, Any]) -> dict[int, Any]:
    """The values of a form's line fields (`<prefix>_<line id>`), by line id."""
    start = f"{prefix}_"
    return {int(k.removeprefix(start)): v for k, v in data.items() if k.startswith(start)}


def _made(name: str, fields: Mapping[str, django_forms.Field]) -> type[forms.Form]:
    return type(name, (forms.Form,), dict(fields))


class DeclineForm(forms.Form):
    """Why not."""

    reason = forms.Text(max_length=200, help_text="the customer reads this")


# --- arrivals ------------------------------------------------------------------------------------


def receive_form(rma: Return) -> type[forms.Form]:
    """Where it arrived, and how many of each line are there in all."""
    lines = list(rma.lines.select_related("order_line").order_by("order_line__position"))
    places = Location.objects.filter(active=True, can_receive_returns=True)
    first = rma.location or places.filter(is_central=True).first()
    here = ReturnedUnits.objects.filter(line__rma=rma, location=first)
    there: dict[int, int] = {}
    for row in here:
        there[row.line_id] = there.get(row.line_id, 0) + row.quantity
    fields: dict[str, django_forms.Field] = {
        "location": forms.Choice(
            label="Arrived at", initial=first and first.code,
            choices=[(place.code, str(place)) for place in places.order_by("name")],
        )
    }  # fmt: skip
    for line in lines:
        came = f", {line.received} counted before" if line.received else ""
        fields[f"arrived_{line.pk}"] = forms.Number(
            label=f"{line.order_line.name} ({line.order_line.sku})",
            min_value=0, max_value=line.expected,
            initial=line.expected - line.received + there.get(line.pk, 0),
            help_text=f"{line.expected} announced{came}; count everything that is at this place",
        )  # fmt: skip
    return _made("ReceiveForm", fields)


# --- grades --------------------------------------------------------------------------------------


class GradesWidget(django_forms.MultiWidget):
    """One small number per grade, side by side."""

    def __init__(self) -> None:
        attrs = {"class": INPUT, "min": 0, "inputmode": "numeric"}
        super().__init__({g: django_forms.NumberInput(attrs=attrs) for g in policy.DISPOSITION})

    def decompress(self, value: Mapping[str, int] | None) -> list[int]:
        return [(value or {}).get(grade, 0) for grade in policy.DISPOSITION]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        context = self.get_context(name, value, attrs)
        inputs = zip(policy.DISPOSITION.items(), context["widget"]["subwidgets"], strict=True)
        rows = [
            {"grade": g, "means": Grade(g).label, "then": ReturnedUnits.Disposition(d).label, **sub}
            for (g, d), sub in inputs
        ]
        return render_to_string("admin/returns/grades.html", {"rows": rows})


class GradesField(django_forms.MultiValueField):
    """Units by grade."""

    def __init__(self, **options: Any) -> None:
        fields = [
            django_forms.IntegerField(min_value=0, required=False) for _ in policy.DISPOSITION
        ]
        super().__init__(fields, widget=GradesWidget(), require_all_fields=False, required=False,
                         **options)  # fmt: skip

    def compress(self, values: list[int | None]) -> dict[str, int]:
        return {g: n or 0 for g, n in zip(policy.DISPOSITION, values, strict=False)}


def place_to_inspect(rma: Return) -> Location | None:
    """A stock point where units of the return wait; the one that got the first units first."""
    waiting = Q(returned_units__line__rma=rma, returned_units__grade=Grade.WAITING,
               returned_units__quantity__gt=0)  # fmt: skip
    places = Location.objects.filter(waiting).distinct()
    return min(places, key=lambda place: (place != rma.location, place.code), default=None)


def inspect_form(rma: Return, place: Location) -> type[forms.Form]:
    """What the units at a stock point turned out to be."""
    fields = {}
    for line in _lines_at(rma, place):
        grades = {unit.grade: unit.quantity for unit in line.units.all()}
        waiting = grades.pop(Grade.WAITING, 0)
        graded = sum(grades.values())
        before = f", {graded} graded before" if graded else ""
        fields[f"grades_{line.pk}"] = GradesField(
            label=f"{line.order_line.name} ({line.order_line.sku})", initial=grades,
            help_text=f"{waiting} to inspect{before}; count everything graded at this place",
        )  # fmt: skip
    return _made("InspectForm", fields)


def _lines_at(rma: Return, place: Location) -> Iterable[ReturnLine]:
    units = ReturnedUnits.objects.filter(location=place)
    lines = rma.lines.filter(units__location=place).distinct().select_related("order_line")
    return lines.order_by("order_line__position").prefetch_related(Prefetch("units", units))


# --- money ---------------------------------------------------------------------------------------


def _amount(**options: Any) -> django_forms.DecimalField:
    widget = django_forms.TextInput(attrs={"class": INPUT, "inputmode": "decimal"})
    return django_forms.DecimalField(widget=widget, max_digits=14, decimal_places=4, **options)


def refund_form(rma: Return) -> type[forms.Form]:
    """How much goes back; ahead of the goods only with a reason."""
    currency = rma.order.currency
    ahead = not any(line.received for line in rma.lines.all())
    offer = process.proposal(rma, without_goods=ahead)
    most, left = in_words(offer.most, currency), in_words(offer.shipping_left, currency)
    fields: dict[str, django_forms.Field] = {
        "amount": _amount(
            label=f"For the goods, in {currency}", initial=rounded(offer.most, currency),
            help_text=f"{most} is what {units_in_words(offer.units)} cost, discounts and taxes"
            " included; less is fine, 0 too",
        ),
        "shipping": _amount(
            label=f"For shipping, in {currency}", initial=rounded(Decimal(0), currency),
            help_text=f"{left} of shipping is left to give back",
        ),
    }  # fmt: skip
    if ahead:
        fields["without_goods"] = forms.Text(
            label="Why before the goods are here?", max_length=200,
            help_text="nothing has arrived yet: this refunds everything that was announced",
        )  # fmt: skip
    return _made("RefundForm", fields)


def units_in_words(units: Mapping[int, int]) -> str:
    """'1 unit', '3 units'."""
    count = sum(units.values())
    return f"{count} unit{'' if count == 1 else 's'}"


# --- on a customer's behalf ----------------------------------------------------------------------


class OrderForm(forms.Form):
    """Which order."""

    order = forms.Text(max_length=100, label="Order", help_text="our number (M100001)")


def request_form(rooms: Iterable[Room]) -> type[forms.Form]:
    """What comes back, why, and why in spite of the window."""
    fields: dict[str, django_forms.Field] = {}
    late = False
    for room in rooms:
        if room.left:
            late = late or room.open < room.left
            over = f", {room.left - room.open} of them after the return window"
            fields[f"units_{room.line.pk}"] = forms.Number(
                label=f"{room.line.name} ({room.line.sku})", required=False, initial=0,
                min_value=0, max_value=room.left,
                help_text=f"{room.left} can come back{over if room.open < room.left else ''}",
            )  # fmt: skip
    fields["reason"] = forms.Choice(choices=Return.Reason.choices)
    fields["note"] = forms.LongText(required=False, max_length=2000)
    if late:
        fields["override"] = forms.Text(
            label="Why after the return window?", required=False, max_length=200,
            help_text="only needed for units that come too late",
        )  # fmt: skip
    return _made("RequestForm", fields)
