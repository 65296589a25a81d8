"""A Shopify shop, spoken to over its GraphQL Admin API: orders in, parcels and stock out.

docs/formats/shopify.md has every field. Orders are kept and read as the REST document that
webhooks bring, so that both ways in are one. What Shopify throttles is waited for, a little; beyond
that the work is tried again later.
"""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from config import outgoing
from inventory.models import Location
from orders.connectors import shopify_queries as queries
from orders.connectors import shopify_webhook
from orders.connectors.protocol import (
    ConnectionFailed,
    Page,
    Pulled,
    Setting,
    Shipment,
    setting,
)

if TYPE_CHECKING:
    from orders.models import Connection, SalesChannel
    from orders.publishing import Figure

MAX_BYTES = 10 * 1024 * 1024  # of one answer
ORDERS, LINES = 50, 50  # of one page
MOST_LINE_PAGES = 20
VARIANTS, QUANTITIES = 50, 250  # SKUs asked for at once, quantities set at once
OVERLAP = timedelta(minutes=10)  # clocks differ, and reading twice does no harm
TURN_SECONDS = 60.0  # of one page: then what was read is kept, and the rest is asked for next
WAIT_SECONDS, TRIES = 10.0, 4  # for Shopify's leaky bucket
IDEMPOTENT_SINCE = "2026-04"  # the version that wants a key of what sets quantities
_SPACE = uuid.UUID("6f1c1ad0-3f3e-4d0e-9d0a-5b3d6d0f6c11")
_OPEN = ("OPEN", "IN_PROGRESS")
_LATER = ("ON_HOLD", "SCHEDULED")


class Throttled(Exception):
    """Shopify has no points left for us; `seconds` until there should be enough."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"asks to wait {seconds:.1f} s")


class ShopifyAdmin:
    """A shop with the access token of a custom app."""

    code = "shopify"
    title = "Shopify"
    sources = (code, "shopify-csv")
    user_label = ""
    secret_label = "Admin API access token"
    tells_shipped = True
    tells_stock = True
    settings = (
        Setting("version", "API version", "of Shopify's Admin API, a quarter of a year",
                "2026-07"),
        Setting("location", "Location of stock", "number of the Shopify location whose stock is"
                " set; empty: no stock is told"),
        Setting("first_days", "Days to look back", "when it is asked for the first time", 7,
                kind="number"),
    )  # fmt: skip

    def pull(self, connection: "Connection", cursor: dict[str, Any]) -> Page:
        """Orders by the time of their last change; each has a cursor of Shopify's to go on after.

        An order that changes meanwhile moves to the end and is seen again.
        """
        first = timezone.now() - timedelta(days=_number(connection, "first_days"))
        since = cursor.get("since") or first.isoformat()
        began = cursor.get("began") or timezone.now().isoformat()
        after, stop = cursor.get("after"), time.monotonic() + TURN_SECONDS
        asked = {"first": ORDERS, "after": after, "query": f"updated_at:>='{since}'"}
        said = _ask(connection, queries.CHANGED_ORDERS, asked)["orders"]
        found: list[Pulled] = []
        for edge in said["edges"]:
            found += self._pulled(connection, edge["node"])
            after = edge["cursor"]
            if time.monotonic() > stop:
                return Page(found, {"since": since, "began": began, "after": after}, more=True)
        if said["pageInfo"]["hasNextPage"] and said["edges"]:
            return Page(found, {"since": since, "began": began, "after": after}, more=True)
        until = datetime.fromisoformat(began) - OVERLAP
        return Page(found, {"since": until.isoformat()}, more=False)

    def _pulled(self, connection: "Connection", node: Mapping[str, Any]) -> Iterator[Pulled]:
        """The order, unless all of it was sent: nothing of it is left to do."""
        number = str(node["legacyResourceId"])
        if node.get("cancelledAt"):
            yield Pulled(number, {"id": number, "cancelled_at": node["cancelledAt"]}, canceled=True)
        elif node.get("displayFulfillmentStatus") != "FULFILLED":
            document = self._document(connection, node["id"])
            if document is not None:
                yield Pulled(number, document)

    def _document(self, connection: "Connection", gid: str) -> dict[str, Any] | None:
        lines: list[dict[str, Any]] = []
        after: str | None = None
        for _ in range(MOST_LINE_PAGES):
            asked = {"id": gid, "lines": LINES, "after": after}
            order = _ask(connection, queries.ORDER, asked)["order"]
            if order is None:  # erased between the two questions
                return None
            lines += order["lineItems"]["nodes"]
            page = order["lineItems"]["pageInfo"]
            if not page["hasNextPage"]:
                return queries.as_document(order, lines)
            after = page["endCursor"]
        raise ConnectionFailed(f"{gid} has more than {len(lines)} lines")

    def read(self, document: dict[str, Any], *, channel: "SalesChannel") -> dict[str, Any]:
        places = Location.objects.filter(can_pickup=True, active=True)
        return shopify_webhook.order_from_webhook(
            document,
            pickup_locations=dict(places.values_list("name", "code")),
            known=channel.orders.filter(external_id=str(document.get("id", ""))).exists(),
        )

    def tell_shipped(self, connection: "Connection", shipment: Shipment) -> None:
        """Fulfill what the parcel holds, as far as the shop does not have it fulfilled already.

        A parcel without a tracking number is told under its own key, by which it is found again.
        """
        gid = f"gid://shopify/Order/{shipment.external_id}"
        order = _ask(connection, queries.TO_FULFILL, {"id": gid})["order"]
        if order is None:
            raise ConnectionFailed(f"it has no order {shipment.external_id}")
        number = shipment.tracking_number or shipment.key
        tracking = {"number": number, "company": shipment.carrier}
        for lines in _to_fulfill(order, shipment, number):
            fulfillment = {
                "lineItemsByFulfillmentOrder": lines, "trackingInfo": tracking,
                "notifyCustomer": False,
            }  # fmt: skip
            said = _ask(connection, queries.FULFILL, {"fulfillment": fulfillment})
            _check(said["fulfillmentCreate"]["userErrors"])

    def tell_stock(self, connection: "Connection", figures: "Sequence[Figure]") -> None:
        """Set what can be sold at the shop's one location; what it does not sell is left out."""
        place = str(setting(self.settings, connection, "location")).strip()
        if not place:
            raise ConnectionFailed("give it the location whose stock is set (a setting of it)")
        theirs = _their_skus(connection, figures)
        items = _inventory_items(connection, sorted({sku for sku, _ in theirs}))
        rows = [
            {"inventoryItemId": item, "locationId": f"gid://shopify/Location/{place}",
             "quantity": figure.available}
            for sku, figure in theirs for item in items.get(sku, ())
        ]  # fmt: skip
        newest = max(figure.number for figure in figures)
        for i, part in enumerate(_parts(rows, QUANTITIES)):
            _set_quantities(connection, part, name=f"{connection.pk}:{newest}:{i}")

    def test(self, connection: "Connection") -> str:
        shop = _ask(connection, queries.SHOP, {})["shop"]
        return f"It answered: {shop['name']}, which sells in {shop['currencyCode']}."


# --- parcels -------------------------------------------------------------------------------------


def _to_fulfill(
    order: Mapping[str, Any], shipment: Shipment, number: str
) -> Iterator[list[dict[str, Any]]]:
    """Lines by fulfillment order, apart for each location: one fulfillment is of one location.

    Raises ConnectionFailed while units stand in a fulfillment order that cannot be fulfilled yet.
    """
    want = _wanted(order, shipment, number)
    places: dict[str, list[dict[str, Any]]] = defaultdict(list)
    waiting = False
    for one in order["fulfillmentOrders"]["nodes"]:
        lines = one["lineItems"]["nodes"]
        if one["status"] in _LATER:
            waiting |= any(want.get(_line_of(line), 0) for line in lines)
        if one["status"] not in _OPEN:
            continue
        taken = []
        for line in lines:
            units = min(want.get(_line_of(line), 0), line["remainingQuantity"])
            if units:
                want[_line_of(line)] -= units
                taken.append({"id": line["id"], "quantity": units})
        if taken:
            place = ((one.get("assignedLocation") or {}).get("location") or {}).get("id", "")
            row = {"fulfillmentOrderId": one["id"], "fulfillmentOrderLineItems": taken}
            places[place].append(row)
    if waiting and any(want.values()):
        raise ConnectionFailed("a fulfillment order of it is on hold or scheduled for later")
    yield from places.values()


def _wanted(order: Mapping[str, Any], shipment: Shipment, number: str) -> dict[str, int]:
    """Units by Shopify's line: what is in the parcel, less what was told of it before."""
    skus: dict[str, str] = {}
    known: set[str] = set()
    for one in order["fulfillmentOrders"]["nodes"]:
        for line in one["lineItems"]["nodes"]:
            known.add(_line_of(line))
            skus.setdefault(line["lineItem"].get("sku") or "", _line_of(line))
    want: dict[str, int] = defaultdict(int)
    for line in shipment.lines:
        place = line.external_id if line.external_id in known else skus.get(line.sku, "")
        want[place] += line.quantity
    for told in order["fulfillments"]:
        numbers = [info.get("number") for info in told["trackingInfo"]]
        if number in numbers and told["status"] != "CANCELLED":
            for line in told["fulfillmentLineItems"]["nodes"]:
                place = _line_of(line)
                want[place] = max(want[place] - line["quantity"], 0)
    return want


def _line_of(row: Mapping[str, Any]) -> str:
    return queries.number_of(row["lineItem"]["id"])


# --- stock ---------------------------------------------------------------------------------------


def _their_skus(
    connection: "Connection", figures: "Sequence[Figure]"
) -> list[tuple[str, "Figure"]]:
    """Figures by what the shop calls the product: our SKU, unless the channel has its own."""
    channel = connection.channel
    if not channel.own_skus:
        return [(figure.sku, figure) for figure in figures]
    by_product = {figure.product: figure for figure in figures}
    rows = channel.skus.filter(product__in=list(by_product)).order_by("pk")
    return [(sku, by_product[pk]) for sku, pk in rows.values_list("sku", "product_id")]


def _inventory_items(connection: "Connection", skus: Sequence[str]) -> dict[str, list[str]]:
    """Inventory items of each SKU; a shop may have several variants with one."""
    found: dict[str, list[str]] = defaultdict(list)
    for part in _parts(skus, VARIANTS):
        wanted = " OR ".join(f"sku:{json.dumps(sku)}" for sku in part)
        after: str | None = None
        while True:
            asked = {"first": 250, "after": after, "query": wanted}
            said = _ask(connection, queries.VARIANTS, asked)["productVariants"]
            for node in said["nodes"]:
                item = node["inventoryItem"]
                if node["sku"] in part and item["tracked"]:  # its search takes beginnings, too
                    found[node["sku"]].append(item["id"])
            if not said["pageInfo"]["hasNextPage"]:
                break
            after = said["pageInfo"]["endCursor"]
    return found


def _set_quantities(
    connection: "Connection", rows: Sequence[Mapping[str, Any]], *, name: str
) -> None:
    asked: dict[str, Any] = {"name": "available", "reason": "correction"}
    if _version(connection) >= IDEMPOTENT_SINCE:
        asked["quantities"] = [{**row, "changeFromQuantity": None} for row in rows]
        text = json.dumps([name, asked], sort_keys=True)
        variables = {"input": asked, "key": str(uuid.uuid5(_SPACE, text))}
        said = _ask(connection, queries.SET_QUANTITIES, variables)
    else:
        asked |= {"ignoreCompareQuantity": True, "quantities": list(rows)}
        said = _ask(connection, queries.SET_QUANTITIES_BEFORE, {"input": asked})
    _check(said["inventorySetQuantities"]["userErrors"])


def _parts(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (rows[i : i + size] for i in range(0, len(rows), size))


# --- asking --------------------------------------------------------------------------------------


def _ask(connection: "Connection", query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The data of an answer. Raises ConnectionFailed, and what config.outgoing raises."""
    for tries_left in reversed(range(TRIES)):
        try:
            return _data(_answer(connection, query, variables))
        except Throttled as error:
            if not tries_left or error.seconds > WAIT_SECONDS:
                raise ConnectionFailed(f"it {error}") from error
            time.sleep(error.seconds)
    raise AssertionError("the last try returns or raises")


def _answer(
    connection: "Connection", query: str, variables: Mapping[str, Any]
) -> Mapping[str, Any]:
    url = f"{connection.url.rstrip('/')}/admin/api/{_version(connection)}/graphql.json"
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json", "X-Shopify-Access-Token": connection.secret}
    said = outgoing.request("POST", url, headers=headers, body=body, most=MAX_BYTES)
    if said.status == 429:
        raise Throttled(_seconds(said.headers.get("retry-after", "")))
    if said.status != 200:
        words = said.body[:200].decode("utf-8", "replace")
        raise ConnectionFailed(f"it answered {said.status}: {words}")
    try:
        content = json.loads(said.body)
    except ValueError as error:
        raise ConnectionFailed(f"its answer is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConnectionFailed("its answer is no JSON object")
    return content


def _data(content: Mapping[str, Any]) -> dict[str, Any]:
    errors = content.get("errors")
    if isinstance(errors, list) and any(_code(error) == "THROTTLED" for error in errors):
        raise Throttled(_until_enough(content))
    if errors:
        rows = errors if isinstance(errors, list) else [errors]
        words = "; ".join(str(r.get("message", r) if isinstance(r, dict) else r) for r in rows)
        raise ConnectionFailed(f"it refused the question: {words}"[:300])
    data = content.get("data")
    if not isinstance(data, dict):
        raise ConnectionFailed("its answer has no data")
    return data


def _code(error: Any) -> str:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    return str((extensions or {}).get("code", ""))


def _until_enough(content: Mapping[str, Any]) -> float:
    """Seconds until the bucket has what the question costs."""
    cost = (content.get("extensions") or {}).get("cost") or {}
    status = cost.get("throttleStatus") or {}
    missing = cost.get("requestedQueryCost", 0) - status.get("currentlyAvailable", 0)
    return max(missing, 1) / max(status.get("restoreRate", 0), 1)


def _seconds(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return 2.0


def _check(errors: Sequence[Mapping[str, Any]]) -> None:
    if errors:
        words = "; ".join(str(error.get("message", "")) for error in errors)
        raise ConnectionFailed(f"it did not take it: {words}"[:300])


def _version(connection: "Connection") -> str:
    return str(setting(ShopifyAdmin.settings, connection, "version"))


def _number(connection: "Connection", name: str) -> int:
    return int(setting(ShopifyAdmin.settings, connection, name))
