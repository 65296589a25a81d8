"""People who buy: what we know of them, who is the same person, and how they are forgotten."""

import json
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from config import forms
from config.console import (
    ActionVariant,
    ReadOnlyAdmin,
    action,
    badge,
    display,
    found,
    moment,
)
from orders import customers, page, queries, search
from orders.models import Customer, Order
from orders.money import in_words

MOST = 500


class MergeForm(forms.Form):
    """Who is the same person."""

    email: Any

    def clean_email(self) -> Customer:
        email = self.cleaned_data["email"].strip().lower()
        other = Customer.objects.filter(email=email).first()
        if other is None:
            raise ValidationError("No customer has this e-mail address.")
        return other


def _merge_form(email: str) -> type[MergeForm]:
    """The form, with the address of who was suggested."""
    field = forms.Text(
        label="E-mail of the other one", max_length=254, initial=email,
        help_text="their orders become orders of this customer; that cannot be undone",
    )  # fmt: skip
    return type("FilledMergeForm", (MergeForm,), {"email": field})


def _tier_form(customer: Customer) -> type[forms.Form]:
    """The form, with the tier as it is."""
    field = forms.Text(
        label="Tier", max_length=20, required=False, initial=customer.tier,
        help_text="gold, silver ...: the words that rules of routing ask for",
    )  # fmt: skip
    return type("TierForm", (forms.Form,), {"tier": field})


class EraseForm(forms.Form):
    """A person's data is gone for good: the address is typed once more."""

    email = forms.Text(label="Their e-mail address, once more", max_length=254)


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """People who buy."""

    list_display = ("who", "name", "phone", "tier", "state", "since")
    list_display_links = ("who",)
    search_fields = ("email",)  # shows the box; get_search_results answers
    search_help_text = "E-mail, or what finds one of their orders: name, phone, number"
    ordering = ("-id",)
    empty_words = "Nobody is here. A customer is made by their first order with an e-mail address."
    fieldsets = ((None, {"fields": ("email",)}),)
    readonly_fields = ("email",)
    change_form_template = "admin/orders/customer_page.html"
    actions_detail = ("new_order", "set_tier", "export_data", "merge", "erase")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        """By address, and by what finds their orders, through indexes: customers are many, too."""
        term = search_term.replace("\0", "").strip()
        if not term:
            return queryset, False
        by_email = Customer.objects.filter(email__startswith=term.lower()).order_by("email")
        ids = set(by_email.values_list("pk", flat=True)[:MOST])
        orders = Order.objects.filter(pk__in=search.orders(term)).exclude(customer=None)
        ids |= set(orders.values_list("customer_id", flat=True))
        return queryset.filter(pk__in=ids), False

    @display(description="customer", ordering="email")
    def who(self, customer: Customer) -> str:
        return str(customer)

    @display(description="state")
    def state(self, customer: Customer) -> SafeString | str:
        if customer.erased_at:
            return badge("none", "erased")
        return badge("info", "merged") if customer.merged_into_id else ""

    @display(description="since, UTC", ordering="id")
    def since(self, customer: Customer) -> str:
        return moment(customer.created_at)

    # --- the page ---

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        customer = kwargs.get("obj")
        shown = {**customers.page(customer), "orders": _orders(customer)} if customer else {}
        return super().render_change_form(request, {**context, **shown}, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Who was merged or erased has nothing left to change."""
        customer = found(Customer, object_id)
        gone = bool(customer.erased_at or customer.merged_into_id)
        return [] if gone else super().get_actions_detail(request, object_id)

    # --- actions ---

    def has_place_order_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("orders.add_order")  # type: ignore[union-attr]

    def has_erase_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("orders.delete_customer")  # type: ignore[union-attr]

    @action(description="New order", permissions=["place_order"], url_path="order",
            icon="add_call")  # fmt: skip
    def new_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """To the phone's page, with what their last order says of them."""
        last = customers.orders_of(found(Customer, object_id)).order_by("-pk").first()
        url = reverse("admin:orders_order_new_order")
        return HttpResponseRedirect(f"{url}?order={last.pk}" if last else url)

    @action(description="Tier", permissions=["handle"], url_path="tier", icon="military_tech")
    def set_tier(self, request: HttpRequest, object_id: int) -> HttpResponse:
        customer = found(Customer, object_id)

        def effect(data: dict) -> str:
            tier = data["tier"].strip()
            if not customers.set_tier(customer_id=customer.pk, tier=tier):
                return "Nothing changed."
            return f"{customer} is {tier} now." if tier else f"{customer} has no tier now."

        return forms.ask(
            request, site=self.admin_site, title=f"Tier of {customer}", form=_tier_form(customer),
            effect=effect, back=_page(customer), submit="Save",
            text="Rules of routing may ask for it; it counts from the next decision on. Empty: no"
            " tier.",
        )  # fmt: skip

    @action(description="Export their data", permissions=["handle"], url_path="export",
            icon="download")  # fmt: skip
    def export_data(self, request: HttpRequest, object_id: int) -> HttpResponse:
        customer = found(Customer, object_id)
        document = json.dumps(
            customers.export(customer), cls=DjangoJSONEncoder, ensure_ascii=False, indent=1
        )
        answer = HttpResponse(document, content_type="application/json")
        answer["Content-Disposition"] = f'attachment; filename="customer-{customer.pk}.json"'
        answer["Cache-Control"] = "no-store"
        return answer

    @action(description="Merge", permissions=["handle"], url_path="merge", icon="merge")
    def merge(self, request: HttpRequest, object_id: int) -> HttpResponse:
        survivor = found(Customer, object_id)

        def effect(data: dict) -> str:
            moved = customers.merge(
                survivor=survivor.pk, others=[data["email"].pk],
                actor=request.user.get_username(),
            )  # fmt: skip
            return f"{data['email']} is {survivor} now; {moved} orders moved here."

        return forms.ask(
            request, site=self.admin_site, title=f"Merge another customer into {survivor}",
            form=_merge_form(request.GET.get("email", "")), effect=effect, back=_page(survivor),
            submit="Merge",
            text=f"{survivor} stays; the other one's orders, now and later, become theirs.",
            errors=(customers.CannotMerge,),
        )  # fmt: skip

    @action(description="Erase their data", permissions=["erase"],
            url_path="erase", icon="person_remove", variant=ActionVariant.DANGER)  # fmt: skip
    def erase(self, request: HttpRequest, object_id: int) -> HttpResponse:
        customer = found(Customer, object_id)

        def effect(data: dict) -> str:
            if data["email"].strip().lower() != customer.email:
                raise NotThem("That is another address: nothing was erased.")
            done = customers.erase(customer_id=customer.pk, actor=request.user.get_username())
            words = f"Erased in {done.orders} orders and {done.files} files."
            if done.notes:
                numbers = ", ".join(dict.fromkeys(note.order.number for note in done.notes))
                words += f" Notes of staff may still name them, please read those of {numbers}."
            return words

        return forms.ask(
            request, site=self.admin_site, title=f"Erase the data of {customer}", form=EraseForm,
            effect=effect, back=_page(customer), submit="Erase for good", danger=True,
            text="Names, addresses, phones, messages and files go. Amounts, goods and what happened"
            " stay, and are nobody's any more. That cannot be undone.",
            errors=(customers.StillOpen, NotThem),
        )  # fmt: skip


class NotThem(Exception):
    """Another address was typed than the one of who is to be forgotten."""


def _page(customer: Customer) -> str:
    return reverse("admin:orders_customer_change", args=[customer.pk])


def _orders(customer: Customer) -> list[dict[str, Any]]:
    """The newest orders with their states, in one statement."""
    rows = queries.with_states(customers.orders_of(customer)).select_related("channel")
    found_rows = []
    for order in rows.order_by("-pk")[: customers.SHOWN_ORDERS]:
        status = queries.fulfillment_status(order.slice_states)  # type: ignore[attr-defined]
        found_rows.append({
            "order": order, "status": status.replace("_", " "),
            "level": page.STATUS_LEVELS[status], "total": in_words(order.total, order.currency),
        })  # fmt: skip
    return found_rows
