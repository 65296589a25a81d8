"""Shop systems behind channels, and the columns of order files, in the console."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from config import forms, outgoing
from config.console import (
    ReadOnlyAdmin,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    tabs,
)
from orders import polling
from orders.connectors.protocol import (
    ConnectionFailed,
    Setting,
    connector,
    setting,
    titles,
)
from orders.models import ColumnMapping, Connection, SalesChannel
from orders.order_files.fields import CHOICES, FIELDS

CONDITIONS = [("failing", "failing"), ("well", "working"), ("off", "off")]
MAY_CHANGE = ("handle",)
YES_NO = (("yes", "yes"), ("no", "no"))
PUSHES = {
    "pulls": ("Ask it for orders", ""),
    "pushes_fulfillment": ("Tell it what left", "parcels with their tracking numbers"),
    "pushes_stock": ("Tell it the stock", "what can be promised, as it changes"),
    "auto_update": (
        "Take over changes at once", "of orders that are changed there; no: a person decides",
    ),
}  # fmt: skip
UNREACHED = (ConnectionFailed, outgoing.NotTaken, outgoing.NotAllowed)


# --- forms ---------------------------------------------------------------------------------------


class NewForm(forms.Form):
    """Whose orders, and from where."""

    channel = forms.Choice(help_text="a channel has one shop system")
    connector = forms.Choice(label="Kind of shop system")
    url = forms.Text(max_length=200, label="Address", help_text="https://…")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        free = SalesChannel.objects.filter(active=True, connection=None).order_by("name")
        self.fields["channel"].choices = list(free.values_list("pk", "name"))  # type: ignore[attr-defined]
        self.fields["connector"].choices = titles()  # type: ignore[attr-defined]

    def clean_url(self) -> str:
        return _checked(self.cleaned_data["url"])


class EditForm(forms.Form):
    """What a connection is asked for; _edit_form adds the fields, as its connector needs them."""

    def clean_url(self) -> str:
        return _checked(self.cleaned_data["url"])


def _checked(url: str) -> str:
    """An address that we may speak to."""
    try:
        outgoing.check(url)
    except outgoing.NotAllowed as error:
        raise ValidationError(f"{error}.") from None
    return url


def _edit_form(link: Connection) -> type[EditForm]:
    kind = connector(link.connector)
    fields: dict[str, Any] = {
        "url": forms.Text(max_length=200, label="Address", initial=link.url),
        "every_minutes": forms.Number(
            min_value=1, max_value=1440, label="Minutes between two looks",
            initial=link.every_minutes,
        ),
    }  # fmt: skip
    if kind.user_label:
        fields["user"] = forms.Text(
            label=kind.user_label, max_length=100, required=False, initial=link.user
        )
    stays = "empty: it stays as it is" if link.secret else "not given yet"
    fields["secret"] = forms.Secret(
        label=kind.secret_label, max_length=200, required=False, help_text=stays
    )
    offered = {"pushes_fulfillment": kind.tells_shipped, "pushes_stock": kind.tells_stock}
    for name, (label, words) in PUSHES.items():
        if offered.get(name, True):
            now = bool(link.settings.get(name)) if name == "auto_update" else getattr(link, name)
            fields[name] = forms.Choice(
                label=label, help_text=words, choices=YES_NO, initial="yes" if now else "no"
            )
    fields |= {f"setting_{s.name}": _field(s, link) for s in kind.settings}
    return type("ConnectionForm", (EditForm,), fields)


def _field(one: Setting, link: Connection) -> Any:
    now = setting([one], link, one.name)
    asked: dict[str, Any] = {"label": one.label, "help_text": one.help, "required": False}
    if one.kind == "number":
        return forms.Number(min_value=0, max_value=100_000, initial=now, **asked)
    if one.kind == "flag":
        return forms.Choice(choices=YES_NO, initial="yes" if now else "no", **asked)
    if one.kind == "choice":
        return forms.Choice(choices=one.choices, initial=now, **asked)
    return forms.Text(max_length=500, initial=now, **asked)


def _save(link: Connection, data: dict[str, Any]) -> None:
    """Write what the form says; the cursor and what workers write stay as they are."""
    kind = connector(link.connector)
    changes: dict[str, Any] = {"url": data["url"], "every_minutes": data["every_minutes"]}
    for name in ("pulls", "pushes_fulfillment", "pushes_stock"):
        if name in data:
            changes[name] = data[name] == "yes"
    if data.get("user") is not None:
        changes["user"] = data["user"]
    if data["secret"]:
        changes["secret"] = data["secret"]
    said = {one.name: data[f"setting_{one.name}"] for one in kind.settings}
    flags = {one.name for one in kind.settings if one.kind == "flag"}
    settings = {n: v == "yes" if n in flags else v for n, v in said.items() if v not in (None, "")}
    settings["auto_update"] = data["auto_update"] == "yes"
    Connection.objects.filter(pk=link.pk).update(
        settings=settings, next_at=timezone.now(), **changes
    )


# --- pages ---------------------------------------------------------------------------------------


class ConditionFilter(admin.SimpleListFilter):
    """How connections do."""

    title = "condition"
    parameter_name = "condition"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return CONDITIONS

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Connection]
    ) -> QuerySet[Connection]:
        chosen = {
            "failing": queryset.filter(active=True, failures__gt=0),
            "well": queryset.filter(active=True, failures=0),
            "off": queryset.filter(active=False),
        }
        return chosen.get(self.value() or "", queryset)


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """Which shop system is behind a channel, how it does, and what it is told."""

    list_display = ("channel_", "connector_", "condition", "last", "next", "error")
    list_filter = (ConditionFilter,)
    list_filter_submit = False
    list_select_related = ("channel",)
    ordering = ("channel__name",)
    actions_list = ("new_connection",)
    actions_detail = ("edit", "test", "run_now", "start_over", "switch", "remove")
    fields = ("channel", "connector_", "condition", "last_error", "last", "next", "read_until",
              "url", "user", "secret_", "every_minutes", "pulls", "pushes_fulfillment",
              "pushes_stock")  # fmt: skip
    readonly_fields = ("connector_", "secret_", "condition", "last", "next", "read_until")
    empty_words = (
        "No channel has a shop system that is asked for its orders. New shop system makes one; "
        "shops can also send their orders, see the API."
    )

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        failing = Connection.objects.filter(active=True, failures__gt=0).count()
        return [
            tabs(request, label="Condition", parameter="condition", choices=CONDITIONS,
                 counts={"failing": failing}, alarms=("failing",))
        ]  # fmt: skip

    @display(description="channel", ordering="channel__name")
    def channel_(self, link: Connection) -> str:
        return link.channel.name

    @display(description="shop system", ordering="connector")
    def connector_(self, link: Connection) -> str:
        return dict(titles()).get(link.connector, f"{link.connector} (not known any more)")

    @display(description="condition")
    def condition(self, link: Connection) -> SafeString:
        if not link.active:
            return badge("none", "off")
        if link.failures:
            return badge("danger", f"failing, {link.failures} in a row")
        return badge("success", "working") if link.last_run_at else badge("info", "not asked yet")

    @display(description="last error")
    def error(self, link: Connection) -> str:
        return link.last_error or "-"

    @display(description="asked last, UTC", ordering="last_run_at")
    def last(self, link: Connection) -> str:
        return moment(link.last_run_at)

    @display(description="asked next, UTC", ordering="next_at")
    def next(self, link: Connection) -> str:
        return moment(link.next_at) if link.active and link.pulls else "-"

    @display(description="secret")
    def secret_(self, link: Connection) -> str:
        return "is kept and not shown" if link.secret else "not given yet"

    @display(description="read until")
    def read_until(self, link: Connection) -> str:
        return str(link.cursor.get("until") or link.cursor or "the beginning")[:200]

    # --- actions -----------------------------------------------------------------------------

    @action(description="New shop system", permissions=MAY_CHANGE, url_path="new", icon="add")
    def new_connection(self, request: HttpRequest) -> HttpResponse:
        def effect(data: dict) -> str:
            link = Connection.objects.create(
                channel_id=int(data["channel"]), connector=data["connector"], url=data["url"],
                active=False, pushes_stock=False,
            )  # fmt: skip
            return f"{link.channel} has it now. Give it its secret, test it, then switch it on."

        return forms.ask(
            request, site=self.admin_site, title="New shop system", form=NewForm, effect=effect,
            submit="Make it", back=reverse("admin:orders_connection_changelist"),
            text="It is asked for nothing before you have tested it and switched it on.",
        )  # fmt: skip

    @action(description="Settings", permissions=MAY_CHANGE, url_path="settings", icon="settings")
    def edit(self, request: HttpRequest, object_id: int) -> HttpResponse:
        link = found(Connection.objects.select_related("channel"), object_id)

        def effect(data: dict) -> str:
            _save(link, data)
            return "The settings are kept. Test the connection."

        return self._page(request, link, "Settings", effect, form=_edit_form(link), submit="Keep")

    @action(
        description="Test the connection", permissions=MAY_CHANGE, url_path="test",
        icon="network_check",
    )  # fmt: skip
    def test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        link = found(Connection.objects.select_related("channel"), object_id)

        def effect(_: dict) -> str:
            return connector(link.connector).test(link)

        return self._page(
            request, link, "Test the connection", effect, submit="Ask it now",
            text="It is asked something harmless; nothing changes here or there.",
        )  # fmt: skip

    @action(description="Run now", permissions=MAY_CHANGE, url_path="run", icon="play_circle")
    def run_now(self, request: HttpRequest, object_id: int) -> HttpResponse:
        link = found(Connection.objects.select_related("channel"), object_id)

        def effect(_: dict) -> str:
            if not (link.active and link.pulls):
                raise ConnectionFailed("It is off, or is not asked for orders: see its settings.")
            polling.run_now(link, cause=f"{request.user} {timezone.now():%Y-%m-%d %H:%M:%S.%f}")
            return "It is asked as soon as a worker is free."

        return self._page(request, link, "Ask for orders now", effect, submit="Ask it now")

    @action(description="Start over", permissions=MAY_CHANGE, url_path="start-over", icon="replay")
    def start_over(self, request: HttpRequest, object_id: int) -> HttpResponse:
        link = found(Connection.objects.select_related("channel"), object_id)

        def effect(_: dict) -> str:
            polling.start_over(link)
            return "The next look begins as the first one did."

        return self._page(
            request, link, "Forget how far we have read?", effect, submit="Start over", danger=True,
            text="Orders that are here already are recognized; what was dismissed stays dismissed.",
        )  # fmt: skip

    @action(description="Switch on or off", permissions=MAY_CHANGE, url_path="switch", icon="power")
    def switch(self, request: HttpRequest, object_id: int) -> HttpResponse:
        link = found(Connection.objects.select_related("channel"), object_id)
        verb = "Switch it off" if link.active else "Switch it on"

        def effect(_: dict) -> str:
            Connection.objects.filter(pk=link.pk).update(
                active=not link.active, failures=0, last_error="", next_at=timezone.now()
            )
            return "It is off." if link.active else "It is on: orders come in with the next look."

        return self._page(request, link, verb, effect, submit=verb)

    @action(description="Remove", permissions=MAY_CHANGE, url_path="remove", icon="delete")
    def remove(self, request: HttpRequest, object_id: int) -> HttpResponse:
        link = found(Connection.objects.select_related("channel"), object_id)

        def effect(_: dict) -> str:
            link.delete()
            return f"{link.channel} has no shop system any more."

        return forms.ask(
            request, site=self.admin_site, title=f"Remove the shop system of {link.channel}?",
            form=forms.Form, effect=effect, submit="Remove", danger=True,
            back=reverse("admin:orders_connection_changelist"),
            text="Its orders stay. Its secret, its settings and how far we read are forgotten.",
        )  # fmt: skip

    def _page(
        self, request: HttpRequest, link: Connection, title: str, effect: Callable[[dict], str], *,
        submit: str, form: type[forms.Form] = forms.Form, text: str = "", danger: bool = False,
    ) -> HttpResponse:  # fmt: skip
        return forms.ask(
            request, site=self.admin_site, title=f"{title}: {link.channel}", form=form,
            effect=effect, submit=submit, text=text, danger=danger, errors=UNREACHED,
            back=reverse("admin:orders_connection_change", args=[link.pk]),
        )  # fmt: skip


@admin.register(ColumnMapping)
class ColumnMappingAdmin(ReadOnlyAdmin):
    """What the columns of order files hold; made when a file is uploaded."""

    list_display = ("name", "channel", "held", "created_by", "created_at")
    list_filter = ("channel",)
    list_select_related = ("channel",)
    fields = ("name", "channel", "held", "for_all", "created_by", "created_at")
    readonly_fields = ("held", "for_all")
    actions_detail = ("forget",)
    empty_words = (
        "Nobody has said yet what the columns of an order file hold. Upload one under Files in."
    )

    @display(description="columns")
    def held(self, row: ColumnMapping) -> str:
        return ", ".join(
            f"{FIELDS[name].label}: {column}"
            for name, column in row.columns.items()
            if name in FIELDS
        )

    @display(description="for all orders")
    def for_all(self, row: ColumnMapping) -> str:
        words = {(c.name, value): f"{c.label} {said}" for c in CHOICES for value, said in c.values}
        return "; ".join(words.get((n, str(v)), f"{n}: {v}") for n, v in row.defaults.items())

    @action(description="Forget", permissions=MAY_CHANGE, url_path="forget", icon="delete")
    def forget(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = found(ColumnMapping, object_id)

        def effect(_: dict) -> str:
            row.delete()
            return f"{row.name} is forgotten; orders that came in with it stay."

        return forms.ask(
            request, site=self.admin_site, title=f"Forget the columns {row.name}?", form=forms.Form,
            effect=effect, submit="Forget", danger=True,
            back=reverse("admin:orders_columnmapping_changelist"),
        )  # fmt: skip
