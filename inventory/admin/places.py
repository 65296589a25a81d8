"""Stock points: what they are, can do and can take, when they are open; switches as actions."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from config import forms as pages
from config import geo
from config.console import ModelAdmin, Tabs, TabularInline, action, badge, display, found, tabs
from inventory import hours, places
from inventory.models import Capacity, Location, SpecialDay

HOURS = {f"{day}_hours": day for day in hours.NAMES}
CUTOFFS = {f"{day}_cutoff": day for day in hours.NAMES}
STATES = [("open", "open"), ("offline", "not sold online"), ("closed", "closed"),
          ("archived", "archived")]  # fmt: skip
LEVELS = {"open": "success", "offline": "warning", "closed": "danger", "archived": "info"}


@cache
def zones() -> frozenset[str]:
    """Every time zone there is."""
    return frozenset(available_timezones())


def state(location: Location) -> str:
    """One of STATES."""
    if location.archived:
        return "archived"
    if not location.active:
        return "closed"
    return "open" if location.online else "offline"


def _text(label: str) -> forms.CharField:
    return forms.CharField(
        required=False, max_length=100, label=label, widget=UnfoldAdminTextInputWidget()
    )


class LocationForm(forms.ModelForm):
    """A stock point as people describe it; hours and cut-offs a weekday at a time."""

    lat = forms.FloatField(required=False, min_value=-90, max_value=90, label="Latitude",
                           widget=UnfoldAdminTextInputWidget(),
                           help_text="both empty: looked up from the address")  # fmt: skip
    lng = forms.FloatField(required=False, min_value=-180, max_value=180, label="Longitude",
                           widget=UnfoldAdminTextInputWidget(),
                           help_text="degrees, east is positive")  # fmt: skip

    mon_hours, mon_cutoff = _text("Monday"), _text("Monday's cut-off")
    tue_hours, tue_cutoff = _text("Tuesday"), _text("Tuesday's cut-off")
    wed_hours, wed_cutoff = _text("Wednesday"), _text("Wednesday's cut-off")
    thu_hours, thu_cutoff = _text("Thursday"), _text("Thursday's cut-off")
    fri_hours, fri_cutoff = _text("Friday"), _text("Friday's cut-off")
    sat_hours, sat_cutoff = _text("Saturday"), _text("Saturday's cut-off")
    sun_hours, sun_cutoff = _text("Sunday"), _text("Sunday's cut-off")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, day in HOURS.items():
            if name in self.fields:
                self.initial[name] = hours.in_words(self.instance.opening_hours.get(day, []))
        for name, day in CUTOFFS.items():
            if name in self.fields:
                self.initial[name] = self.instance.cutoffs.get(day, "")

    def clean_timezone(self) -> str:
        zone: str = self.cleaned_data["timezone"]
        if zone not in zones():
            raise forms.ValidationError("There is no such time zone; it is like Europe/Paris.")
        return zone

    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"].upper()
        if geo.locate(country=country) is None:
            raise forms.ValidationError("There is no such country; it is two letters like FR.")
        return country

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.instance.opening_hours = self._week()
        self.instance.cutoffs = self._cutoffs()
        if "lat" in self.fields and not {"lat", "lng", "country"} & set(self.errors):
            self._find(data)
        return data

    def _week(self) -> hours.Week:
        week: hours.Week = {}
        for name, day in HOURS.items():
            try:
                week[day] = hours.from_words(self.cleaned_data.get(name) or "")
            except ValueError as error:
                self.add_error(name, str(error))
        return week if any(week.values()) else {}

    def _cutoffs(self) -> dict[str, str]:
        given = {day: self.cleaned_data.get(name) for name, day in CUTOFFS.items()}
        try:
            return hours.check_cutoffs({day: text for day, text in given.items() if text})
        except hours.WrongHours as wrong:
            for day, words in wrong.problems.items():
                self.add_error(f"{day}_cutoff", words)
            return {}

    def _find(self, data: dict[str, Any]) -> None:
        if (data.get("lat") is None) != (data.get("lng") is None):
            self.add_error("lat", "Give both latitude and longitude, or neither.")
        elif data.get("lat") is None and data.get("country"):
            address = {name: data.get(name, "") for name in ("country", "postcode", "city",
                                                             "region")}  # fmt: skip
            point = geo.locate(**address)
            if point is not None:
                data["lat"], data["lng"] = point.lat, point.lng


class CapacityInline(TabularInline):
    """What its days can take; the most exact row counts."""

    model = Capacity
    hide_title = True
    verbose_name_plural = "what it can take in a day (the most exact row counts)"


class SpecialDayForm(forms.ModelForm):
    """A closed day, or one with hours of its own."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        opens, closes = data.get("opens"), data.get("closes")
        if (opens is None) != (closes is None):
            self.add_error("opens", "Give both times, or neither for a day that is closed.")
        elif opens and closes <= opens:
            self.add_error("closes", "It closes before it opens.")
        return data


class SpecialDayInline(TabularInline):
    """Holidays and days with other hours; those of every stock point have a list of their own."""

    model = SpecialDay
    form = SpecialDayForm
    hide_title = True
    verbose_name_plural = "holidays and days with other hours"


class StateFilter(admin.SimpleListFilter):
    """Archived stock points are shown only when asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return STATES

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = {
            "open": {"active": True, "online": True},
            "offline": {"active": True, "online": False},
            "closed": {"active": False, "archived": False},
            "archived": {"archived": True},
        }.get(self.value() or "", {"archived": False})
        return queryset.filter(**wanted)


@admin.register(Location)
class LocationAdmin(ModelAdmin):
    """Stock points; the switches are actions and act at once."""

    form = LocationForm
    inlines = (CapacityInline, SpecialDayInline)
    list_display = ("code", "name", "kind", "country", "can", "capacity_per_day", "state_")
    list_filter = (StateFilter, "kind", "country")
    list_filter_submit = False
    search_fields = ("code", "name", "city")
    actions_detail = ("go_online", "go_offline", "close", "reopen", "archive")
    fieldsets = (
        (None, {"fields": ("code", "name", "kind", "is_central", "state_")}),
        ("Address", {"fields": ("line1", ("postcode", "city"), ("region", "country"),
                                ("lat", "lng"), "timezone")}),
        ("What it can do", {"fields": (("can_ship", "can_pickup"),
                                       ("can_ship_to_store", "can_receive_returns"))}),
        ("When parcels leave", {"fields": (("cutoff", "lead_days"), "capacity_per_day")}),
        ("Opening hours and cut-offs, in its own time", {
            "fields": tuple(zip(HOURS, CUTOFFS, strict=True)),
            "description": "Hours like 10:00-13:00, 14:00-19:00; empty is closed, and a week"
            " without any hours is Monday to Friday. A cut-off only where it differs.",
        }),
        ("What work costs", {"fields": (("handling_order", "handling_line"),)}),
        ("Its own system", {"fields": ("wms_url",)}),
    )  # fmt: skip

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        return [tabs(request, label="State", parameter="state", everything="all but archived",
                     choices=STATES)]  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look reads the week in words."""
        if self.has_change_permission(request, obj):
            return self.fieldsets
        days = tuple(zip(HOURS, CUTOFFS, strict=True))
        return [
            (title, {**options, "fields": ("week",)} if options["fields"] == days else options)
            for title, options in self.fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("state_", "week")

    @display(description="hours and cut-offs")
    def week(self, location: Location) -> str:
        days = [
            f"{name} {hours.in_words(location.opening_hours.get(day, [])) or 'closed'}"
            + (f" (until {location.cutoffs[day]})" if day in location.cutoffs else "")
            for day, name in hours.NAMES.items()
        ]
        return "; ".join(days) if location.opening_hours else "Monday to Friday"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # history stays readable: it is closed, and archived when empty

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.save()
            return
        # The switches are not the form's: what somebody switches meanwhile stays switched.
        switches = {"online", "active", "archived"}
        obj.save(update_fields=[
            f.name for f in Location._meta.concrete_fields
            if not f.primary_key and f.name not in switches
        ])  # fmt: skip

    @display(description="state")
    def state_(self, location: Location) -> SafeString:
        now = state(location)
        return badge(LEVELS[now], dict(STATES)[now])

    @display(description="can")
    def can(self, location: Location) -> str:
        words = {
            "ship": location.can_ship, "pick-up": location.can_pickup,
            "ship to store": location.can_ship_to_store, "returns": location.can_receive_returns,
        }  # fmt: skip
        return ", ".join(word for word, can in words.items() if can) or "nothing"

    # --- switches ---

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what its state allows."""
        offered = {
            "open": ("go_offline", "close"), "offline": ("go_online", "close"),
            "closed": ("reopen", "archive"), "archived": ("reopen",),
        }[state(found(Location, object_id))]  # fmt: skip
        actions = super().get_actions_detail(request, object_id)
        return [one for one in actions if one.action_name.endswith(offered)]

    @action(description="Sell online", permissions=["change"], url_path="online", icon="public")
    def go_online(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._ask(
            request, object_id, title="Sell from {} online", submit="Sell online",
            text="What is free here can be promised to customers again, at once.",
            effect=lambda place: places.switch_online(place, on=True),
        )  # fmt: skip

    @action(description="Stop selling online", permissions=["change"], url_path="offline",
            icon="public_off")  # fmt: skip
    def go_offline(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._ask(
            request, object_id, title="Stop selling from {} online", submit="Stop selling online",
            text="Nothing new is promised from here, at once, and no order is routed here. What"
            " is promised already stays and is worked on.",
            effect=lambda place: places.switch_online(place, on=False),
        )  # fmt: skip

    @action(description="Close", permissions=["change"], url_path="close", icon="door_front")
    def close(self, request: HttpRequest, object_id: int) -> HttpResponse:
        held = places.claimed(found(Location, object_id))
        parts = [f"{units:,} of {'orders' if owner == 'order' else f'{owner}s'}"
                 for owner, units in held.items()]  # fmt: skip
        claims = f"Units claimed here now: {', '.join(parts)}." if parts else "No unit is claimed."
        actor = request.user.get_username()
        return self._ask(
            request, object_id, title="Close {}", submit="Close it", danger=True,
            text=f"Nothing is promised, offered or routed here any more. {claims} Units of orders"
            " that nobody has picked are routed elsewhere; what is picked is finished here."
            " Baskets lose what they hold here; pick-ups wait for their customer's decision.",
            effect=lambda place: places.close(place, actor=actor),
        )  # fmt: skip

    @action(description="Reopen", permissions=["change"], url_path="reopen", icon="door_open")
    def reopen(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._ask(
            request, object_id, title="Reopen {}", submit="Reopen it",
            text="It can be promised from and routed to again, at once.", effect=places.reopen,
        )  # fmt: skip

    @action(description="Archive", permissions=["change"], url_path="archive", icon="archive")
    def archive(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rest = places.left(found(Location, object_id))
        return self._ask(
            request, object_id, title="Archive {}", submit="Archive it",
            text=f"It leaves every list; its history stays readable. Left there: {rest}.",
            effect=places.archive,
        )  # fmt: skip

    def _ask(
        self, request: HttpRequest, object_id: int, *, title: str, effect: Any, **page: Any
    ) -> HttpResponse:
        place = found(Location, object_id)

        def switch(_: dict) -> str:
            changed = effect(place)
            place.refresh_from_db()
            words = dict(STATES)[state(place)]
            return f"{place} is {words}." if changed else f"{place} was {words} already."

        return pages.ask(
            request, site=self.admin_site, title=title.format(place), form=pages.Form,
            effect=switch, back=reverse("admin:inventory_location_change", args=[place.pk]),
            errors=(places.NotPossible,), **page,
        )  # fmt: skip


@admin.register(SpecialDay)
class SpecialDayAdmin(ModelAdmin):
    """Holidays and days with other hours, of one stock point or of all."""

    form = SpecialDayForm
    list_display = ("date", "name", "where", "hours_")
    list_filter = ("location",)
    list_select_related = ("location",)
    search_fields = ("name", "location__code")
    autocomplete_fields = ("location",)
    date_hierarchy = "date"
    ordering = ("-date",)
    empty_words = "Add holidays: promises and cut-offs then know that nothing leaves on them."

    @display(description="stock point", ordering="location__name")
    def where(self, day: SpecialDay) -> str:
        return str(day.location) if day.location else "all of them"

    @display(description="hours")
    def hours_(self, day: SpecialDay) -> str:
        return f"{day.opens:%H:%M}-{day.closes:%H:%M}" if day.opens and day.closes else "closed"
