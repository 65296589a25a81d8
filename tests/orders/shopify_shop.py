"""A small Shopify shop on the loopback address: its GraphQL Admin API, as far as we speak to it.

Orders are added as the REST documents of tests/samples/shopify and told as GraphQL nodes. Only the
fields that a query names are answered, so that a field nobody asked for is not there.
"""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "shpat_0123456789abcdef"
Node = dict[str, Any]
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\$?\w+|\S')


@dataclass
class Shop:
    """Orders by number, oldest change first in every list; what was told to it."""

    url: str = ""
    orders: dict[int, Node] = field(default_factory=dict)
    fulfillments: dict[int, list[Node]] = field(default_factory=dict)
    on_hold: set[int] = field(default_factory=set)
    stock: dict[str, int | None] = field(default_factory=dict)  # by SKU of what it sells
    keys: dict[str, str] = field(default_factory=dict)  # idempotency keys and what came with them
    done: set[str] = field(default_factory=set)  # of these keys
    asked: list[tuple[str, Node]] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    throttled: int = 0  # how many answers to come say THROTTLED
    lose_answers: int = 0  # how many mutations to come are done and answered 502

    def add(self, document: Node) -> Node:
        self.orders[document["id"]] = document
        return document

    # --- questions ---

    def do(self, query: str, variables: Node) -> Node:
        words = _WORD.findall(query)
        name = words[1]
        self.asked.append((name, variables))
        answer = getattr(self, f"on_{name}")(**variables)
        selected, _ = _selection(words, words.index("{"))
        return _only(answer, selected)

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    def on_MaestroShop(self) -> Node:
        return {"shop": {"name": "Maestro Demo", "currencyCode": "EUR"}}

    def on_MaestroChangedOrders(self, first: int, after: str | None, query: str) -> Node:
        since = query.removeprefix("updated_at:>='").removesuffix("'")
        assert query == f"updated_at:>='{since}'"
        found = sorted(
            (o for o in self.orders.values() if _instant(o["updated_at"]) >= _instant(since)),
            key=_place,
        )
        rest = [o for o in found if after is None or _place(o) > json.loads(after)]
        edges = [{"cursor": json.dumps(_place(o)), "node": node(o)} for o in rest[:first]]
        return {"orders": {"pageInfo": {"hasNextPage": len(rest) > first}, "edges": edges}}

    def on_MaestroOrder(self, id: str, lines: int, after: str | None) -> Node:
        document = self.orders.get(_number(id))
        if document is None:
            return {"order": None}
        found = node(document)
        start = int(after or 0)
        every = found["lineItems"]["nodes"]
        found["lineItems"] = {
            "nodes": every[start : start + lines],
            "pageInfo": {
                "hasNextPage": len(every) > start + lines,
                "endCursor": f"{start + lines}",
            },
        }
        return {"order": found}

    def on_MaestroToFulfill(self, id: str) -> Node:
        number = _number(id)
        if number not in self.orders:
            return {"order": None}
        done = self.fulfillments.get(number, [])
        status = "ON_HOLD" if number in self.on_hold else "OPEN"
        one = {
            "id": f"gid://shopify/FulfillmentOrder/{number}", "status": status,
            "assignedLocation": {"location": {"id": "gid://shopify/Location/7"}},
            "lineItems": {"nodes": [
                {"id": f"gid://shopify/FulfillmentOrderLineItem/{line['id']}",
                 "remainingQuantity": self.remaining(number, line["id"]),
                 "lineItem": {"id": f"gid://shopify/LineItem/{line['id']}", "sku": line["sku"]}}
                for line in self.orders[number]["line_items"]
            ]},
        }  # fmt: skip
        return {"order": {"fulfillments": done, "fulfillmentOrders": {"nodes": [one]}}}

    def remaining(self, number: int, line: int) -> int:
        """Units of a line that can still be fulfilled."""
        bought = next(x for x in self.orders[number]["line_items"] if x["id"] == line)
        sent = sum(
            row["quantity"]
            for one in self.fulfillments.get(number, [])
            for row in one["fulfillmentLineItems"]["nodes"]
            if _number(row["lineItem"]["id"]) == line
        )
        return bought["current_quantity"] - sent

    def on_MaestroFulfill(self, fulfillment: Node) -> Node:
        assert fulfillment["notifyCustomer"] is False
        (group,) = fulfillment["lineItemsByFulfillmentOrder"]
        number = _number(group["fulfillmentOrderId"])
        rows = [
            {"quantity": row["quantity"],
             "lineItem": {"id": f"gid://shopify/LineItem/{_number(row['id'])}"}}
            for row in group["fulfillmentOrderLineItems"]
        ]  # fmt: skip
        wrong = [
            r for r in rows if r["quantity"] > self.remaining(number, _number(r["lineItem"]["id"]))
        ]
        if wrong or number in self.on_hold:
            error = {"field": ["fulfillment"], "message": "Invalid fulfillment order line item."}
            return {"fulfillmentCreate": {"fulfillment": None, "userErrors": [error]}}
        made = {
            "id": "gid://shopify/Fulfillment/1", "status": "SUCCESS",
            "trackingInfo": [fulfillment["trackingInfo"]], "fulfillmentLineItems": {"nodes": rows},
        }  # fmt: skip
        self.fulfillments.setdefault(number, []).append(made)
        return {"fulfillmentCreate": {"fulfillment": made, "userErrors": []}}

    def on_MaestroVariants(self, first: int, after: str | None, query: str) -> Node:
        wanted = {json.loads(part.removeprefix("sku:")) for part in query.split(" OR ")}
        rows = [  # as in Shopify's search, a word finds what begins with it
            {"sku": sku, "inventoryItem": {"id": f"gid://shopify/InventoryItem/{sku}",
                                           "tracked": units is not None}}
            for sku, units in sorted(self.stock.items())
            if any(sku.startswith(word) for word in wanted)
        ]  # fmt: skip
        start = int(after or 0)
        page = {"hasNextPage": len(rows) > start + 2, "endCursor": str(start + 2)}
        return {"productVariants": {"nodes": rows[start : start + 2], "pageInfo": page}}

    def on_MaestroSetQuantities(self, input: Node, key: str | None = None) -> Node:
        text = json.dumps(input, sort_keys=True)
        known = key is not None and self.keys.setdefault(key, text) == text and key in self.done
        assert (input["name"], input["reason"]) == ("available", "correction")
        for row in () if known else input["quantities"]:
            if key is None:
                assert input["ignoreCompareQuantity"] is True
            else:
                assert row["changeFromQuantity"] is None
            assert row["locationId"] == "gid://shopify/Location/7"
            self.stock[row["inventoryItemId"].rpartition("/")[2]] = row["quantity"]
        self.done.add(key or "")
        return {"inventorySetQuantities": {"userErrors": []}}


# --- an order as GraphQL tells it ----------------------------------------------------------------


def node(document: Mapping[str, Any]) -> Node:
    """The GraphQL node of a REST order document."""
    o = document
    sent = {"fulfilled": "FULFILLED", "partial": "PARTIALLY_FULFILLED", None: "UNFULFILLED"}
    return {
        "id": f"gid://shopify/Order/{o['id']}", "legacyResourceId": str(o["id"]), "name": o["name"],
        "confirmationNumber": o["confirmation_number"], "sourceName": o["source_name"],
        "customerLocale": o["customer_locale"], "poNumber": o["po_number"],
        "createdAt": o["created_at"], "processedAt": o["processed_at"],
        "updatedAt": o["updated_at"], "cancelledAt": o["cancelled_at"],
        "cancelReason": (o["cancel_reason"] or "").upper() or None,
        "currencyCode": o["currency"], "presentmentCurrencyCode": o["presentment_currency"],
        "test": o["test"], "taxesIncluded": o["taxes_included"],
        "dutiesIncluded": o["duties_included"], "email": o["email"], "phone": o["phone"],
        "note": o["note"], "tags": [t for t in (o["tags"] or "").split(", ") if t],
        "discountCodes": [c["code"] for c in o["discount_codes"]],
        "paymentGatewayNames": o["payment_gateway_names"],
        "displayFinancialStatus": (o["financial_status"] or "").upper() or None,
        "displayFulfillmentStatus": sent[o["fulfillment_status"]],
        **{f"{_camel(name)}Set": _bag(o, name) for name in (
            "total_price", "current_total_price", "total_tax", "current_total_tax",
            "total_discounts", "current_total_discounts", "original_total_additional_fees")},
        "totalTipReceivedSet": _plain(o["total_tip_received"], o["currency"]),
        "totalOutstandingSet": _plain(o["total_outstanding"], o["currency"]),
        "customAttributes": _attributes(o["note_attributes"]),
        "customer": _customer(o["customer"]),
        "billingAddress": _address(o["billing_address"]),
        "shippingAddress": _address(o["shipping_address"]),
        "shippingLines": {"nodes": [
            {"title": s["title"], "code": s["code"], "deliveryCategory": s.get("delivery_category"),
             "isRemoved": s.get("is_removed", False), "originalPriceSet": _bag(s, "price"),
             **_parts(s)}
            for s in o["shipping_lines"]]},
        "lineItems": {"nodes": [_line(line) for line in o["line_items"]]},
    }  # fmt: skip


def _customer(customer: Mapping[str, Any] | None) -> Node | None:
    return customer and {
        "firstName": customer["first_name"], "lastName": customer["last_name"],
        "defaultEmailAddress": customer["email"] and {"emailAddress": customer["email"]},
        "defaultPhoneNumber": customer["phone"] and {"phoneNumber": customer["phone"]},
    }  # fmt: skip


def _line(line: Mapping[str, Any]) -> Node:
    return {
        "id": f"gid://shopify/LineItem/{line['id']}", "sku": line["sku"], "name": line["name"],
        "title": line["title"], "quantity": line["quantity"],
        "currentQuantity": line["current_quantity"],
        "unfulfilledQuantity": line["fulfillable_quantity"],
        "requiresShipping": line["requires_shipping"], "isGiftCard": line["gift_card"],
        "taxable": line["taxable"], "originalUnitPriceSet": _bag(line, "price"), **_parts(line),
        "duties": [{"price": _bag(duty, "price"), **_parts(duty)} for duty in line["duties"]],
        "customAttributes": _attributes(line["properties"]),
        "variant": line["variant_id"] and {"id": f"gid://shopify/ProductVariant/{line['variant_id']}"},
    }  # fmt: skip


def _parts(place: Mapping[str, Any]) -> Node:
    return {
        "taxLines": [{"priceSet": _bag(tax, "price")} for tax in place["tax_lines"]],
        "discountAllocations": [
            {"allocatedAmountSet": _bag(row, "amount")}
            for row in place.get("discount_allocations", [])
        ],
    }


def _bag(place: Mapping[str, Any], name: str) -> Node | None:
    money = place.get(f"{name}_set")
    if money is None:
        return None
    shop = money["shop_money"]
    return {"shopMoney": {"amount": shop["amount"], "currencyCode": shop["currency_code"]}}


def _plain(amount: str | None, currency: str) -> Node | None:
    return amount and {"shopMoney": {"amount": amount, "currencyCode": currency}}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _attributes(pairs: list[Node]) -> list[Node]:
    return [{"key": pair["name"], "value": pair["value"]} for pair in pairs]


def _address(address: Mapping[str, Any] | None) -> Node | None:
    if address is None:
        return None
    found = {_camel(name): value for name, value in address.items()}
    return found | {"countryCodeV2": found.pop("countryCode", None)}


def _place(document: Mapping[str, Any]) -> list[Any]:
    return [_instant(document["updated_at"]), document["id"]]


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _number(gid: str) -> int:
    return int(gid.rpartition("/")[2])


# --- GraphQL, as far as it is needed -------------------------------------------------------------


def _selection(words: list[str], at: int) -> tuple[dict[str, Any], int]:
    """The fields between the brace at `at` and its partner; arguments, directives are skipped."""
    found: dict[str, Any] = {}
    name, at = "", at + 1
    while words[at] != "}":
        if words[at] == "{":
            found[name], at = _selection(words, at)
        elif words[at] == "(":
            at = words.index(")", at)
        elif words[at] == "@":
            at += 1
        else:
            name = words[at]
            found[name] = {}
        at += 1
    return found, at


def _only(value: Any, fields: dict[str, Any]) -> Any:
    """What was asked for; an object without selection is an error of the query."""
    if isinstance(value, list):
        return [_only(one, fields) for one in value]
    if not isinstance(value, dict):
        return value
    assert fields, f"a selection of {sorted(value)} is missing"
    return {name: _only(value[name], inside) for name, inside in fields.items()}


class ShopServer:
    """The shop's web server."""

    def __init__(self) -> None:
        self.shop = Shop()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.shop))
        self.shop.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Shop:
        self._thread.start()
        return self.shop

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            match = re.fullmatch(r"/admin/api/(\d{4}-\d{2})/graphql\.json", self.path)
            if match is None:
                self._say(404, {"errors": "Not Found"})
            elif self.headers["X-Shopify-Access-Token"] != TOKEN:
                self._say(401, {"errors": "[API] Invalid API key or access token"})
            else:
                shop.versions.add(match[1])
                self._answer(body)

        def _answer(self, body: Node) -> None:
            if shop.throttled:
                shop.throttled -= 1
                cost = {
                    "requestedQueryCost": 101,
                    "throttleStatus": {
                        "maximumAvailable": 2000,
                        "currentlyAvailable": 100,
                        "restoreRate": 1000,
                    },
                }
                error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
                self._say(200, {"errors": [error], "extensions": {"cost": cost}})
                return
            try:
                data = shop.do(body["query"], body["variables"])
            except (AssertionError, AttributeError, KeyError, TypeError) as error:
                words = f"{type(error).__name__}: {error}"
                self._say(200, {"errors": [{"message": words}]})
                return
            if shop.lose_answers and body["query"].startswith("mutation"):
                shop.lose_answers -= 1
                self._say(502, {"errors": "Bad Gateway"})
            else:
                self._say(200, {"data": data})

        def _say(self, status: int, content: Node) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The test says what it needs."""

    return Handler
