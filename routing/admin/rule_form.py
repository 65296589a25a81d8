"""The form of one rule: its sections, fields and what does not go together."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pycountry
from django import forms
from django.db.models import QuerySet
from django.template.loader import render_to_string
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.forms import BASE_INPUT_CLASSES
from inventory.models import Location, Product
from orders.models import Order, SalesChannel
from routing import wording
from routing.models import Rule

CLASSES = " ".join(BASE_INPUT_CLASSES)
SPEEDS = [("standard", "standard"), ("express", "express")]
WEIGHTS, SORT = "weights", "sort"
SORTS = tuple(f"sort_{i}" for i in range(1, 6))
SLIDER_MOST = 3
MANY = 12  # choices, from which on they can be searched
MOST_CATEGORIES = 500


class _Drawn:
    """Mixin of widgets whose template is the project's own."""

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> str:
        return render_to_string(template_name, context)


class Checks(_Drawn, forms.CheckboxSelectMultiple):
    """Boxes to tick, what is ticked first; many of them scroll and can be searched."""

    template_name = "routing/checks.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        options = [option for _, group, _ in context["widget"]["optgroups"] for option in group]
        options.sort(key=lambda option: not option["selected"])
        context["widget"].update(
            options=options, many=len(options) > MANY,
            chosen=sum(bool(option["selected"]) for option in options),
        )  # fmt: skip
        return context


class Slider(_Drawn, forms.NumberInput):
    """A range with its number beside it."""

    input_type = "range"
    template_name = "routing/slider.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        number = float(value) if _is_number(value) else 1.0
        context["widget"]["attrs"] |= {"max": max(SLIDER_MOST, number), "step": "0.25"}
        context["widget"]["shown"] = f"{number:g}"
        return context


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


class Words(forms.CharField):
    """Several words, apart by commas; each once."""

    def __init__(self, *, longest: int, **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget(), **options)
        self.longest = longest

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        words = [word.strip() for word in super().clean(value).split(",")]
        if too_long := [word for word in words if len(word) > self.longest]:
            raise forms.ValidationError(
                f"{too_long[0][:40]}… is longer than {self.longest} characters."
            )
        return list(dict.fromkeys(word for word in words if word))


class _Some(forms.MultipleChoiceField):
    """Some of a list; none is any."""

    def __init__(self, what: str, choices: Any = (), **options: Any) -> None:
        super().__init__(
            required=False, choices=choices, widget=Checks(),
            error_messages={"invalid_choice": f"%(value)s is not {what}."}, **options,
        )  # fmt: skip

    def clean(self, value: Any) -> list[str]:
        """In the order of the choices, whatever the order of the boxes was."""
        given = super().clean(value)
        choices: Any = self.choices
        return [str(code) for code, _ in choices if code in given]


class _Points(forms.ModelMultipleChoiceField):
    """Some stock points."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            Location.objects.none(), required=False, widget=Checks(),
            error_messages={"invalid_choice": "%(value)s is not a stock point."}, **options,
        )  # fmt: skip


def _money(label: str, text: str = "", **options: Any) -> forms.DecimalField:
    attrs = {"class": CLASSES, "step": "any", "inputmode": "decimal"}
    return forms.DecimalField(
        label=label, help_text=text, widget=forms.NumberInput(attrs=attrs), min_value=0,
        decimal_places=options.pop("decimal_places", 2), max_digits=options.pop("max_digits", 8),
        **options,
    )  # fmt: skip


def _whole(label: str, text: str = "", **options: Any) -> forms.IntegerField:
    bounds = {"min_value": 0, "max_value": 32_767, **options}
    return forms.IntegerField(
        label=label, help_text=text, widget=forms.NumberInput(attrs={"class": CLASSES}), **bounds
    )


def _one_of(label: str, choices: Any, text: str = "", **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, help_text=text, widget=UnfoldAdminSelectWidget(), **options
    )


def _slider(name: str, text: str) -> forms.FloatField:
    return forms.FloatField(
        label=wording.FACTORS[name].capitalize().replace("Co₂e", "CO₂e"), help_text=text,
        widget=Slider(), min_value=0, max_value=10,
    )  # fmt: skip


class Section(NamedTuple):
    """A part of the form; `kind` says how its fields are laid out."""

    title: str
    text: str
    fields: tuple[str, ...]
    kind: str = ""


SECTIONS = (
    Section("If the order is", "Nothing ticked and nothing filled in is any.", (
        "channel_kinds", "deliveries", "services", "min_total", "max_total",
        "promised_within_days", "tiers", "regions", "tags_any", "tags_none", "countries",
        "categories")),
    Section("Who may send it", "Opening hours, cut-offs, capacity, safety stock and stock points"
            " that refused are always respected.", (
        "kinds", "max_km", "min_free_units", "in_time", "relax_days", "only", "never")),
    Section("What matters", "Every plan has a cost in money, part by part; the cheapest wins. A"
            " slider says how much a part counts.", (
        "choose", *SORTS, "economic", "ecological", "co2_price_per_kg", "logistical",
        "split_penalty", "late_penalty_per_day", "central_bonus", "refusal_cost", "workload_cost",
        "retail", "overstock_relief", "last_unit_cost"), "matters"),
    Section("In how many parcels", "", ("split", "max_parcels", "min_part_value"), "split"),
    Section("If it does not fit", "When nobody can send it under this rule.", (
        "otherwise", "cancel_after_days", "fallback"), "otherwise"),
    Section("When, and how it is offered", "", ("when", "accept_minutes", "offer_to")),
)  # fmt: skip
FACTORS = (
    ("economic", ()),
    ("ecological", ("co2_price_per_kg",)),
    ("logistical", ("split_penalty", "late_penalty_per_day", "central_bonus", "refusal_cost",
                    "workload_cost")),
    ("retail", ("overstock_relief", "last_unit_cost")),
)  # fmt: skip
IF = SECTIONS[0].fields


class RuleForm(forms.ModelForm):
    """One rule."""

    name = forms.CharField(max_length=60, label="What the rule is called",
                           widget=UnfoldAdminTextInputWidget())  # fmt: skip

    channel_kinds = _Some("a kind of channel", SalesChannel.Kind.choices, label="From")
    deliveries = _Some("a delivery method", Order.Delivery.choices, label="Delivery")
    services = _Some("a speed", SPEEDS, label="Speed")
    min_total = _money("Total from", "in the order's currency", required=False, max_digits=12)
    max_total = _money("Total up to", required=False, max_digits=12)
    promised_within_days = _whole("Promised within days", "counted from when it is routed",
                                  required=False)  # fmt: skip
    tiers = Words(longest=40, label="Customers' tiers", help_text="such as gold, silver")
    regions = Words(longest=100, label="Regions", help_text="as addresses name them, by commas")
    tags_any = Words(longest=60, label="Has one of the tags", help_text="apart by commas")
    tags_none = Words(longest=60, label="Has none of the tags", help_text="apart by commas")
    countries = _Some("the code of a country, such as FR", label="Countries")
    categories = _Some("a category of any product", label="One product is of")

    kinds = _Some("a kind of stock point", Location.Kind.choices, label="Kinds of stock points")
    only = _Points(label="Only these stock points", help_text="none ticked: all of them")
    never = _Points(label="Never these")
    max_km = forms.FloatField(
        required=False, min_value=1, max_value=20_100, label="Not farther than km",
        widget=forms.NumberInput(attrs={"class": CLASSES, "step": "any"}),
    )  # fmt: skip
    min_free_units = _whole(
        "Free units at least", "fewer of a product are not counted on: the books may be wrong"
    )
    in_time = forms.BooleanField(required=False, label="Only who keeps the promise",
                                 help_text="who would be late is out")  # fmt: skip
    relax_days = _whole("If not all can be, days late at most", "0: the rest does not go then",
                        max_value=365)  # fmt: skip

    choose = forms.ChoiceField(
        label="How the best is found", widget=forms.RadioSelect(), initial=WEIGHTS, required=False,
        choices=[(WEIGHTS, "the four factors together, in money"),
                 (SORT, "one after the other: the first decides, the next between equals")],
    )  # fmt: skip
    economic = _slider("economic", "what the carrier asks")
    ecological = _slider("ecological", "of the way and the vehicle")
    logistical = _slider("logistical", "handling, splits, delays, full days, refusals")
    retail = _slider("retail", "what must sell, what others will want")
    co2_price_per_kg = _money("A kg of CO₂e costs")
    split_penalty = _money("Each parcel after the first")
    late_penalty_per_day = _money("Each day after the promise")
    central_bonus = _money("A parcel not from the central warehouse")
    refusal_cost = _money("A refused line", "times how likely it is")
    workload_cost = _money("A parcel where the day is full", "half of it at half a day")
    overstock_relief = _money(
        "Credit for an overstock unit", "as a share of its price: 0.05 is 5 %",
        max_value=1, decimal_places=3, max_digits=4,
    )  # fmt: skip
    last_unit_cost = _money("A place's last unit", "as a share of its price", max_value=1,
                            decimal_places=3, max_digits=4)  # fmt: skip

    split = _one_of("Several parcels", Rule.Split.choices)
    max_parcels = _whole("At most parcels", "empty: no limit", required=False, min_value=1,
                         max_value=50)  # fmt: skip
    min_part_value = _money("Each worth at least", required=False, max_digits=12)

    otherwise = _one_of("Then", Rule.Otherwise.choices)
    cancel_after_days = _whole("Canceled after days", required=False)
    fallback = forms.ModelChoiceField(
        Location.objects.none(), required=False, label="Fallback stock point",
        empty_label="none", widget=UnfoldAdminSelectWidget(),
        help_text="cannot be closed while the rule set is active",
    )  # fmt: skip

    when = _one_of("Decided", Rule.When.choices)
    accept_minutes = _whole("Minutes to accept", "not accepted until then, it goes elsewhere;"
                            " empty: never", required=False, min_value=1,
                            max_value=100_000)  # fmt: skip
    offer_to = _whole("Stores it is offered to", "the first to take it has it", min_value=1,
                      max_value=20)  # fmt: skip

    class Meta:
        model = Rule
        fields = (
            "name",
            *(name for section in SECTIONS for name in section.fields
              if name != "choose" and name not in SORTS),
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance
        self._fill(rule)
        self.initial.setdefault("choose", SORT if rule.sort else WEIGHTS)
        criteria = [("", "nothing more"), *Rule.Sort.choices]
        for i, name in enumerate(SORTS):
            label = "Who comes first" if i == 0 else "among equals then"
            self.fields[name] = _one_of(label, criteria, required=False)
            self.initial.setdefault(name, rule.sort[i] if i < len(rule.sort) else "")

    def _fill(self, rule: Rule) -> None:
        """The choices that the house's data makes."""
        countries = ((one.alpha_2, f"{one.name} ({one.alpha_2})") for one in pycountry.countries)
        self._choices("countries", sorted(countries, key=lambda pair: pair[1]))
        used = Product.objects.exclude(category="").order_by("category").values_list("category")
        categories = [row[0] for row in used.distinct()[:MOST_CATEGORIES]]
        known = dict.fromkeys([*rule.categories, *categories])
        self._choices("categories", [(word, word) for word in known])
        points = Location.objects.filter(archived=False).order_by("name")
        for name in ("only", "never"):
            self._points(name, points)
        self._points("fallback", points.filter(active=True))

    def _choices(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        self.fields[name].choices = list(choices)  # type: ignore[attr-defined]

    def _points(self, name: str, points: QuerySet[Location]) -> None:
        self.fields[name].queryset = points  # type: ignore[attr-defined]

    # --- what does not go together ---

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        least, most = data.get("min_total"), data.get("max_total")
        if least is not None and most is not None and least > most:
            self.add_error("max_total", f"Must not be less than {wording.money(least)}, the least.")
        if both := sorted(set(data.get("tags_any", ())) & set(data.get("tags_none", ()))):
            self.add_error("tags_none", f"{both[0]} is asked for above: no order has and has not.")
        if both := [one for one in data.get("only", ()) if one in data.get("never", ())]:
            self.add_error("never", f"{both[0].name} is among the only ones above.")
        if data.get("relax_days") and not data.get("in_time"):
            self.add_error("relax_days", "Counts only with “Only who keeps the promise”.")
        self._check_otherwise(data)
        self._read_sort(data)
        return data

    def _check_otherwise(self, data: dict[str, Any]) -> None:
        wanted = data.get("otherwise")
        if wanted == Rule.Otherwise.FALLBACK and not data.get("fallback"):
            self.add_error("fallback", "Choose the stock point that gets the order then.")
        if wanted == Rule.Otherwise.CANCEL and data.get("cancel_after_days") is None:
            self.add_error("cancel_after_days", "After how many days is it canceled?")
        if wanted != Rule.Otherwise.FALLBACK:
            data["fallback"] = None
        if wanted != Rule.Otherwise.CANCEL:
            data["cancel_after_days"] = None

    def _read_sort(self, data: dict[str, Any]) -> None:
        criteria = [data[name] for name in SORTS if data.get(name)]
        if data.get("choose") != SORT:
            criteria = []
        elif not criteria:
            self.add_error(SORTS[0], "Choose at least one, or let the four factors decide.")
        for name in SORTS:
            if criteria and data.get(name) and criteria.count(data[name]) > 1:
                self.add_error(name, "Is chosen twice.")
                break
        self.instance.sort = list(dict.fromkeys(criteria))

    # --- what is shown ---

    def sections(self) -> Iterator[dict[str, Any]]:
        """The sections with their fields bound."""
        for section in SECTIONS:
            yield {
                "title": section.title, "text": section.text, "kind": section.kind,
                "fields": [self[name] for name in section.fields],
            }  # fmt: skip

    def factors(self) -> Iterator[dict[str, Any]]:
        """The four factors: slider, what it does in words, and the amounts it multiplies."""
        told = wording.amounts(self.instance)
        for name, fields in FACTORS:
            weight = getattr(self.instance, name)
            yield {
                "slider": self[name], "words": wording.factor(name, weight),
                "counts": told[name], "fields": [self[field] for field in fields],
            }  # fmt: skip

    def sorts(self) -> list[forms.BoundField]:
        """The criteria, in order."""
        return [self[name] for name in SORTS]

    def named(self) -> wording.Places:
        """The stock points as the form has them."""
        if not self.is_bound:
            rule = self.instance
            return wording.places(rule) if rule.pk else wording.Places()
        data = self.cleaned_data
        return wording.Places(list(data.get("only", ())), list(data.get("never", ())))
