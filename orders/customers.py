"""People who buy: who is the same person, what we know of them, and how we forget it.

Orders of somebody who was merged go on to the survivor; their customer row stays, so that the next
order under the old address finds its way. Whose data is erased leaves amounts, units, the ledger
and the timeline behind: what they tell is no longer about anybody.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import transaction
from django.db.models import Count, Max, Model, Q, QuerySet, Sum
from django.utils import timezone

from config.models import JobRow
from orders import events
from orders.models import (
    Attachment,
    Customer,
    CustomerLink,
    DeliveryGroup,
    InboundOrder,
    Notification,
    Order,
    OrderChange,
    OrderContact,
    OrderNote,
    OrderVersion,
)
from orders.money import in_words

SHOWN_ORDERS = 50
LOOKED_AT = 20  # newest contacts that suggestions and addresses come from
SUGGESTED = 10
ADDRESS = ("name", "line1", "line2", "postcode", "city", "region", "country")
PLACE = (*ADDRESS, "phone")
# What an order's export holds: by the order's own related names, also those of upper floors.
EXPORTED = (
    "contact", "delivery_groups", "lines", "bundles", "payments", "notifications", "notes",
    "attachments", "parcels", "returns", "events",
)  # fmt: skip
_NOT_EXPORTED = {"order_id", "phone_key", "dedupe_key", "file", "key", "product_id"}


class CannotMerge(Exception):
    """These customers cannot become one; the words say why."""


class StillOpen(Exception):
    """Some orders of the person are not finished; `orders` says which."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self.orders = list(orders)
        numbers = ", ".join(order.number for order in self.orders[:10])
        more = f" and {len(self.orders) - 10} more" if len(self.orders) > 10 else ""
        super().__init__(f"{numbers}{more} must be finished or canceled first")


def everyone(customer: Customer) -> list[int]:
    """Ids of the customer and of everybody who turned out to be them."""
    merged = Customer.objects.filter(merged_into=customer).order_by("pk")
    return [customer.pk, *merged.values_list("pk", flat=True)]


def orders_of(customer: Customer) -> QuerySet[Order]:
    """All orders of the person."""
    return Order.objects.filter(customer_id__in=everyone(customer))


def set_tier(*, customer_id: int, tier: str) -> bool:
    """Say how good a customer they are ("" for nothing special); whether that is news.

    Rules of routing ask for it, from the next decision on.
    """
    rows = Customer.objects.filter(pk=customer_id, erased_at=None).exclude(tier=tier)
    return bool(rows.update(tier=tier))


# --- one person, two addresses -------------------------------------------------------------------


def merge(*, survivor: int, others: Collection[int], actor: str) -> int:
    """Make other customers the survivor: their orders move on; returns how many did.

    The survivor keeps their tier; without one they get the first that the others have.
    Raises CannotMerge when one of them is the survivor, was erased, or is somebody else by now.
    """
    with transaction.atomic():
        people = _locked_people([survivor, *others])
        _check_merge(people, survivor, others)
        moved = _locked(Order.objects.filter(customer_id__in=others))
        Customer.objects.filter(Q(pk__in=others) | Q(merged_into_id__in=others)).update(
            merged_into_id=survivor
        )
        tier = next((people[pk].tier for pk in [survivor, *others] if people[pk].tier), "")
        Customer.objects.filter(pk=survivor).update(tier=tier)
        was = {order.pk: order.customer_id for order in moved}
        Order.objects.filter(pk__in=was).update(customer_id=survivor)
        events.record_many(
            [(pk, "customer.merged", {"from": before, "into": survivor})
             for pk, before in was.items()],
            actor=actor,
        )  # fmt: skip
    return len(moved)


def _locked_people(ids: Collection[int]) -> dict[int, Customer]:
    """The customers, locked so that no order of theirs is being written meanwhile.

    Before their orders, and in one order: a capture writes an order of a customer, never a customer
    of an order that it holds.
    """
    rows = Customer.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return {person.pk: person for person in rows}


def _locked(orders: QuerySet[Order]) -> list[Order]:
    """The orders, locked in one order."""
    return list(orders.select_for_update(no_key=True, of=("self",)).order_by("pk"))


def _check_merge(people: dict[int, Customer], survivor: int, others: Collection[int]) -> None:
    if survivor in others or not others or len(people) != len(set(others)) + 1:
        raise CannotMerge("Choose at least one other customer.")
    for person in people.values():
        if person.erased_at:
            raise CannotMerge(f"{person} was erased: nobody can tell whose orders they were.")
        if person.merged_into_id:
            raise CannotMerge(f"{person} was merged already; choose who they became.")


@dataclass(frozen=True)
class Suggestion:
    """Somebody who may be the same person, and why one would think so."""

    customer: Customer
    why: str


def suggestions(customer: Customer) -> list[Suggestion]:
    """Who may be the same: the same phone, or the same name at the same postcode.

    Looks at the person's newest contacts, through the indexes of contacts: three statements.
    """
    known = _contacts(customer)
    phones = {c.phone_key for c in known if len(c.phone_key or "") >= 6}
    homes = {(c.name, c.postcode) for c in known if c.name and c.postcode}
    same_home = Q(pk__in=[])
    for name, postcode in sorted(homes)[:5]:
        words = SearchQuery(name, config="simple", search_type="plain")
        same_home |= Q(search=words, postcode__iexact=postcode, name__iexact=name)
    contacts = OrderContact.objects.annotate(search=SearchVector("name", config="simple"))
    found: dict[int, str] = {}
    for rows, why in [
        (OrderContact.objects.filter(phone_key__in=phones).exclude(phone_key=""), "same phone"),
        (contacts.filter(same_home), "same name and postcode"),
    ]:
        for pk in _people(rows, customer):
            found[pk] = f"{found[pk]}, {why}" if pk in found else why
    people = Customer.objects.filter(pk__in=found, merged_into=None, erased_at=None)
    return [Suggestion(person, found[person.pk]) for person in people.order_by("pk")]


def _contacts(customer: Customer) -> list[OrderContact]:
    newest = orders_of(customer).order_by("-pk").values_list("pk", flat=True)[:LOOKED_AT]
    return list(OrderContact.objects.filter(pk__in=list(newest)).order_by("-pk"))


def _people(rows: QuerySet[OrderContact], customer: Customer) -> list[int]:
    others = rows.exclude(order__customer=None).exclude(order__customer=customer)
    ids = others.order_by("order__customer").values_list("order__customer", flat=True)
    return [pk for pk in ids.distinct()[:SUGGESTED] if pk is not None]


# --- what we know --------------------------------------------------------------------------------


def page(customer: Customer) -> dict[str, Any]:
    """What the customer's page shows, in a fixed number of statements."""
    orders = orders_of(customer)
    sums = orders.values("currency").annotate(
        n=Count("pk"), total=Sum("total"), open=Count("pk", filter=Q(state=Order.State.OPEN)),
        last=Max("placed_at"),
    )  # fmt: skip
    contacts = _contacts(customer)
    seen = {tuple(getattr(c, name) for name in ADDRESS): c for c in reversed(contacts) if c.line1}
    return {
        "customer": customer,
        "totals": [(row["n"], row["open"], in_words(row["total"], row["currency"]), row["last"])
                   for row in sums.order_by("-n")],
        "addresses": list(reversed(seen.values())),
        "notes": OrderNote.objects.filter(order__in=orders.values("pk")).select_related("order")
                 .order_by("-pk")[:SHOWN_ORDERS],
        "merged": Customer.objects.filter(merged_into=customer).order_by("pk"),
        "suggestions": [] if customer.erased_at else suggestions(customer),
        "more_orders": max(0, sum(row["n"] for row in sums) - SHOWN_ORDERS),
    }  # fmt: skip


def export(customer: Customer) -> dict[str, Any]:
    """Everything we hold about a person, as a JSON document. One statement per table."""
    orders = list(orders_of(customer).order_by("pk").values())
    ids = [order["id"] for order in orders]
    people = Customer.objects.filter(pk__in=everyone(customer)).order_by("pk")
    by_name = {name: _rows_of(name, ids) for name in EXPORTED}
    return {
        "exported_at": timezone.now(),
        "customer": list(people.values("id", "email", "name", "phone", "tier", "created_at")),
        "orders": [
            {**_plain(dict(order)), "number": Order(pk=order["id"]).number,
             **{name: rows.get(order["id"], []) for name, rows in by_name.items()}}
            for order in orders
        ],
    }  # fmt: skip


def _rows_of(name: str, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in _related(name, ids).order_by("pk").values():
        found[row["order_id"]].append(_plain(row))
    return found


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _NOT_EXPORTED}


def _related(name: str, ids: Sequence[int]) -> QuerySet[Any]:
    """Rows of the orders under one of their related names, whichever floor they live on."""
    model: type[Model] = Order._meta.get_field(name).related_model  # type: ignore[assignment]
    return model._default_manager.filter(order__in=ids)


# --- and how it is forgotten ---------------------------------------------------------------------


@dataclass(frozen=True)
class Erased:
    """What was forgotten; `notes` of staff may name the person and are for a person to check."""

    orders: int
    files: int
    notes: list[OrderNote]


def erase(*, customer_id: int, actor: str) -> Erased:
    """Forget a person: wipe their data everywhere, keep amounts, units, ledger and timeline.

    Raises StillOpen while an order of theirs is not finished.
    """
    with transaction.atomic():
        customer = Customer.objects.get(pk=customer_id)
        people = sorted(_locked_people(everyone(customer)))
        orders = _locked(orders_of(customer))
        still = [order for order in orders if order.state == Order.State.OPEN]
        if still:
            raise StillOpen(still)
        ids = [order.pk for order in orders]
        emails = list(Customer.objects.filter(pk__in=people).values_list("email", flat=True))
        _forget_orders(ids)
        _forget_doors(orders, emails)
        files = _forget_files(ids)
        for pk in people:
            Customer.objects.filter(pk=pk, erased_at=None).update(
                email=f"erased-{pk}@erased.invalid",
                name="",
                phone="",
                tier="",
                erased_at=timezone.now(),
            )
        events.record_many([(pk, "customer.erased", {}) for pk in ids], actor=actor)
        notes = OrderNote.objects.filter(order__in=ids).select_related("order").order_by("pk")
        return Erased(len(ids), files, list(notes))


def _forget_orders(ids: Sequence[int]) -> None:
    nowhere = dict.fromkeys(PLACE, "") | {"lat": None, "lng": None, "gift_message": ""}
    OrderContact.objects.filter(order__in=ids).update(**nowhere, email="", note="", billing={})
    DeliveryGroup.objects.filter(order__in=ids).update(**nowhere)
    Order.objects.filter(pk__in=ids).update(metadata={})
    OrderVersion.objects.filter(order__in=ids).update(contact={})
    OrderChange.objects.filter(order__in=ids).update(contact={})
    messages = Notification.objects.filter(order__in=ids)
    messages.filter(state=Notification.State.PENDING).update(
        state=Notification.State.SUPPRESSED, reason="the person was erased"
    )
    messages.update(recipient="", subject="", body="")
    CustomerLink.objects.filter(order__in=ids).delete()
    _related("parcels", ids).update(received_by="")
    _related("returns", ids).update(note="")


def _forget_doors(orders: Sequence[Order], emails: Iterable[str]) -> None:
    """What came in at the doors: documents of orders, and rows of files that became orders."""
    names = [order.external_id for order in orders]
    rows = InboundOrder.objects.filter(order__in=[order.pk for order in orders])
    waiting = Q(pk__in=[])
    for email in emails:
        waiting |= Q(document__icontains=email)
    open_rows = InboundOrder.objects.filter(waiting, state=InboundOrder.State.OPEN)
    open_rows.update(
        state=InboundOrder.State.DISMISSED, resolved_by="erasure", resolved_at=timezone.now(),
        document={}, problems=[],
    )  # fmt: skip
    rows.update(document={}, problems=[])
    JobRow.objects.filter(reference__in=names).exclude(data={}).update(data={})


def _forget_files(ids: Sequence[int]) -> int:
    """Delete attachments, and their files once that is certain."""
    attachments = list(Attachment.objects.filter(order__in=ids))
    Attachment.objects.filter(pk__in=[one.pk for one in attachments]).delete()
    for one in attachments:
        transaction.on_commit(partial(one.file.storage.delete, str(one.file.name)))
    return len(attachments)
