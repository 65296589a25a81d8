"""ShipStation's custom store protocol, from ShipStation's side: we ask the shop, and tell it.

GET url?action=export&start_date=&end_date=&page= answers `<Orders pages="n">`; a parcel that left
is told by POST url?action=shipnotify. HTTP Basic. docs/formats/custom_store.md has every field.
"""

import base64
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from defusedxml import ElementTree as SafeTree
from defusedxml.common import DefusedXmlException
from django.utils import timezone

from config import outgoing
from orders.connectors import custom_store_order
from orders.connectors.custom_store_order import status
from orders.connectors.protocol import (
    ConnectionFailed,
    NotOffered,
    Page,
    Pulled,
    Setting,
    Shipment,
    setting,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders.models import Connection, SalesChannel
    from orders.publishing import Figure

MAX_BYTES = 20 * 1024 * 1024  # of one page
MAX_PAGES = 10_000
MAX_DEPTH = 6  # an order's deepest field is Items/Item/Options/Option/Name
MAX_PASSES = 5
WINDOW = timedelta(days=1)  # of one request, so that a first run over weeks goes step by step
_FORMAT = "%m/%d/%Y %H:%M"
_LISTS = {"Items": "Item", "Options": "Option"}


class CustomStore:
    """A shop that was made ready for ShipStation."""

    code = "custom_store"
    title = "ShipStation custom store"
    sources = (code,)
    user_label = "User name"
    secret_label = "Password"
    tells_shipped = True
    tells_stock = False
    settings = (
        Setting("take", "Statuses to take", "an order in one of these is paid and to be sent",
                "paid, awaiting_shipment, processing, ready_to_ship"),
        Setting("cancel", "Statuses of canceled orders", "the order is canceled here, too",
                "cancelled, canceled, voided, refunded"),
        Setting("skip", "Statuses to leave alone", "not paid yet, or sent already",
                "unpaid, pending, awaiting_payment, on_hold, shipped, completed"),
        Setting("unpaid_methods", "Payment methods paid on delivery", "separated by commas",
                "cash on delivery"),
        Setting("first_days", "Days to look back", "when it is asked for the first time", 7,
                kind="number"),
        Setting("overlap_minutes", "Overlap in minutes", "how far back each run begins before the"
                " end of the last one: more than the two clocks are apart", 15, kind="number"),
    )  # fmt: skip

    def pull(self, connection: "Connection", cursor: dict[str, Any]) -> Page:
        """One page of the window of time that the cursor stands in.

        Pages of this protocol are counted, so an order that changes meanwhile moves all behind it
        by one, over a boundary that was read already. A window of several pages is therefore read
        again until a pass brings nothing that was not seen in it.
        """
        at = _Cursor.of(cursor, connection)
        found = self._page(connection, start=at.start, end=at.end, page=at.page)
        orders = [_document(element) for element in found]
        pages = _pages(found)
        return Page(
            list(_pulled(orders, connection)),
            *at.after(pages, [str(order.get("OrderNumber", "")) for order in orders]),
        )

    def read(self, document: dict[str, Any], *, channel: "SalesChannel") -> dict[str, Any]:
        connection = getattr(channel, "connection", None)
        return custom_store_order.order_from_document(
            document, currency=channel.currency, taken=_words(connection, "take"),
            unpaid=_words(connection, "unpaid_methods"),
        )  # fmt: skip

    def tell_shipped(self, connection: "Connection", shipment: Shipment) -> None:
        query = {
            "action": "shipnotify", "order_number": shipment.external_id,
            "carrier": shipment.carrier, "service": shipment.service,
            "tracking_number": shipment.tracking_number,
        }  # fmt: skip
        headers = {**_headers(connection), "Content-Type": "application/xml; charset=utf-8"}
        outgoing.post(_url(connection, query), _notice(shipment), headers=headers)

    def tell_stock(self, connection: "Connection", figures: "Sequence[Figure]") -> None:
        raise NotOffered("a custom store cannot be told about stock")

    def test(self, connection: "Connection") -> str:
        now = timezone.now()
        found = self._page(connection, start=now - timedelta(days=1), end=now, page=1)
        pages = _pages(found)
        more = f" on the first of {pages} pages" if pages > 1 else ""
        return f"It answered: {len(found)} orders of the last 24 hours{more}."

    def _page(
        self, connection: "Connection", *, start: datetime, end: datetime, page: int
    ) -> ElementTree.Element:
        query = {"action": "export", "start_date": f"{start.astimezone(UTC):{_FORMAT}}",
                 "end_date": f"{_whole_minute(end):{_FORMAT}}", "page": str(page)}  # fmt: skip
        headers = {**_headers(connection), "Accept": "application/xml"}
        body = outgoing.get(_url(connection, query), headers=headers, most=MAX_BYTES)
        return _parsed(body)


# --- how far we have read ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cursor:
    """A window of time, the page of it that comes next, and the orders seen in it so far; `fresh`
    are those of this pass that no earlier one had."""

    start: datetime
    end: datetime
    page: int = 1
    passes: int = 1
    seen: tuple[str, ...] = ()
    fresh: int = 0

    @classmethod
    def of(cls, cursor: dict[str, Any], connection: "Connection") -> "_Cursor":
        if "page" in cursor:  # within a window
            times = {name: _time(cursor[name]) for name in ("start", "end")}
            return cls(**{**cursor, **times, "seen": tuple(cursor["seen"])})
        now = timezone.now()
        if "until" in cursor:
            overlap = timedelta(minutes=_number(connection, "overlap_minutes"))
            start = _time(cursor["until"]) - min(overlap, WINDOW / 2)
        else:
            start = now - timedelta(days=_number(connection, "first_days"))
        return cls(start, min(start + WINDOW, now))

    def after(self, pages: int, numbers: list[str]) -> tuple[dict[str, Any], bool]:
        """The cursor behind this page, and whether there is more to ask for now."""
        known = set(self.seen)
        new = [number for number in dict.fromkeys(numbers) if number not in known]
        seen, fresh = (*self.seen, *new), self.fresh + len(new)
        if self.page < pages:
            return replace(self, page=self.page + 1, seen=seen, fresh=fresh).as_json(), True
        if pages > 1 and fresh and self.passes < MAX_PASSES:
            again = replace(self, page=1, passes=self.passes + 1, seen=seen, fresh=0)
            return again.as_json(), True
        return {"until": self.end.isoformat()}, timezone.now() - self.end > timedelta(minutes=1)

    def as_json(self) -> dict[str, Any]:
        """As it is kept between two pages."""
        return {**asdict(self), "start": self.start.isoformat(), "end": self.end.isoformat(),
                "seen": list(self.seen)}  # fmt: skip


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _whole_minute(at: datetime) -> datetime:
    """The end of the minute: they know no seconds."""
    at = at.astimezone(UTC)
    return at + timedelta(seconds=math.ceil(at.second / 60) * 60 - at.second)


# --- what they say -------------------------------------------------------------------------------


def _parsed(body: bytes) -> ElementTree.Element:
    try:
        root = SafeTree.fromstring(body, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ConnectionFailed(f"its answer cannot be read as XML: {error}"[:300]) from error
    if _local(root) != "Orders":
        raise ConnectionFailed(f"its answer begins with {_local(root)[:50]}, expected Orders")
    return root


def _pages(root: ElementTree.Element) -> int:
    text = root.get("pages", "1").strip()
    if not text.isdecimal() or int(text[:9]) > MAX_PAGES:
        raise ConnectionFailed(f"pages={text[:20]!r} is not a number of pages")
    return int(text)


def _pulled(orders: list[dict[str, Any]], connection: "Connection") -> Iterator[Pulled]:
    """The orders to take or to cancel; an unknown status goes on to be kept for a person."""
    skip, cancel = _words(connection, "skip"), _words(connection, "cancel")
    for order in orders:
        now = status(str(order.get("OrderStatus", "")))
        if now not in skip:
            yield Pulled(str(order.get("OrderNumber", "")), order, canceled=now in cancel)


def _document(element: ElementTree.Element) -> dict[str, Any]:
    found = _value(element, MAX_DEPTH)
    return found if isinstance(found, dict) else {}


def _value(element: ElementTree.Element, depth: int) -> Any:
    """Elements as JSON: text, an object of its children, or a list where the format has one."""
    name = _local(element)
    if name in _LISTS:
        return [_value(inner, depth - 1) for inner in element if _local(inner) == _LISTS[name]]
    if not len(element) or depth == 0:
        return (element.text or "").strip()
    return {_local(inner): _value(inner, depth - 1) for inner in element}


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


# --- what we say ---------------------------------------------------------------------------------


def _headers(connection: "Connection") -> dict[str, str]:
    pair = f"{connection.user}:{connection.secret}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _url(connection: "Connection", query: dict[str, str]) -> str:
    joint = "&" if urlsplit(connection.url).query else "?"
    return f"{connection.url}{joint}{urlencode(query, quote_via=quote)}"


def _notice(shipment: Shipment) -> bytes:
    root = ElementTree.Element("ShipNotice")
    left = shipment.shipped_at.astimezone(UTC)
    who = shipment.address
    fields = {
        "OrderNumber": shipment.external_id, "OrderID": shipment.metadata.get("order_id", ""),
        "CustomerCode": shipment.metadata.get("customer_code", ""),
        "LabelCreateDate": f"{left:{_FORMAT}}", "ShipDate": f"{left:%m/%d/%Y}",
        "Carrier": shipment.carrier, "Service": shipment.service,
        "TrackingNumber": shipment.tracking_number,
    }  # fmt: skip
    _add(root, fields)
    receiver = {"Name": "name", "Address1": "line1", "Address2": "line2", "City": "city",
                "State": "region", "PostalCode": "postcode", "Country": "country"}  # fmt: skip
    _add(ElementTree.SubElement(root, "Recipient"),
         {theirs: who.get(ours, "") for theirs, ours in receiver.items()})  # fmt: skip
    items = ElementTree.SubElement(root, "Items")
    for line in shipment.lines:
        _add(ElementTree.SubElement(items, "Item"), {
            "SKU": line.sku, "Name": line.name, "Quantity": str(line.quantity),
            "LineItemID": line.external_id,
        })  # fmt: skip
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add(parent: ElementTree.Element, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        text = "".join(c for c in str(value) if c.isprintable() or c in "\n\t")
        ElementTree.SubElement(parent, name).text = text  # XML has no other control characters


# --- settings ------------------------------------------------------------------------------------


def _words(connection: "Connection | None", name: str) -> frozenset[str]:
    text = str(setting(CustomStore.settings, connection, name))
    return frozenset(word for part in text.split(",") if (word := status(part)))


def _number(connection: "Connection", name: str) -> int:
    return int(setting(CustomStore.settings, connection, name))
