"""A small shop that speaks ShipStation's custom store protocol, on the loopback address."""

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

USER, PASSWORD = "maestro", "a store's password"
FORMAT = "%m/%d/%Y %H:%M"


@dataclass
class Store:
    """Its orders, oldest change first; `before_page` is called with each number asked for."""

    page_size: int = 20
    orders: list[dict[str, Any]] = field(default_factory=list)
    notices: list[tuple[dict[str, str], ElementTree.Element]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    before_page: Callable[[int], None] = lambda page: None
    answer: tuple[int, bytes] | None = None  # instead of everything else
    url: str = ""

    def add(self, number: str, at: datetime, **changes: Any) -> dict[str, Any]:
        """An order of one TEE for 20.00 and 5.00 of shipping, changed at this time."""
        made = order(number, at, **changes)
        self.orders.append(made)
        return made

    def export(self, query: dict[str, str]) -> bytes:
        self.asked.append(query)
        page = int(query["page"])
        self.before_page(page)
        start, end = (datetime.strptime(query[k], FORMAT) for k in ("start_date", "end_date"))  # noqa: DTZ007
        found = [o for o in sorted(self.orders, key=_changed) if start <= _changed(o) <= end]
        pages = -(-len(found) // self.page_size)
        shown = found[(page - 1) * self.page_size : page * self.page_size]
        inside = "".join(_xml("Order", o) for o in shown)
        head = '<?xml version="1.0" encoding="utf-8"?>'
        return f'{head}<Orders pages="{pages}">{inside}</Orders>'.encode()


def order(number: str, at: datetime, **changes: Any) -> dict[str, Any]:
    when = at.astimezone(UTC).strftime(FORMAT)
    made: dict[str, Any] = {
        "OrderID": f"id-{number}", "OrderNumber": number, "OrderDate": when,
        "OrderStatus": "paid", "LastModified": when, "ShippingMethod": "Standard",
        "PaymentMethod": "Credit Card", "CurrencyCode": "EUR", "OrderTotal": "25.00",
        "TaxAmount": "0.00", "ShippingAmount": "5.00", "CustomerNotes": "Ring twice",
        "Gift": "false", "GiftMessage": "",
        "Customer": {
            "CustomerCode": "ada@example.com",
            "BillTo": {"Name": "Ada Lovelace", "Phone": "+33 1 23 45 67 89",
                       "Email": "ada@example.com"},
            "ShipTo": {"Name": "Ada Lovelace", "Company": "Engines", "Address1": "1 Rue de Rivoli",
                       "City": "Paris", "State": "", "PostalCode": "75001", "Country": "FR"},
        },
        "Items": [{"SKU": "TEE", "Name": "T-shirt", "Quantity": "1", "UnitPrice": "20.00",
                   "LineItemID": f"{number}-1"}],
    }  # fmt: skip
    return made | changes


def _changed(one: dict[str, Any]) -> datetime:
    return datetime.strptime(one["LastModified"], FORMAT)  # noqa: DTZ007


def _xml(name: str, value: Any) -> str:
    if isinstance(value, dict):
        inside = "".join(_xml(key, inner) for key, inner in value.items())
    elif isinstance(value, list):
        inside = "".join(_xml(name.removesuffix("s"), inner) for inner in value)
    else:
        inside = escape(str(value))
    return f"<{name}>{inside}</{name}>"


class StoreServer:
    """The shop's web server."""

    def __init__(self) -> None:
        self.store = Store()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.store))
        self.store.url = f"http://127.0.0.1:{self._server.server_port}/shipstation.php?shop=1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Store:
        self._thread.start()
        return self.store

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do("export", store.export)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = ElementTree.fromstring(self.rfile.read(length))
            self._do("shipnotify", lambda query: store.notices.append((query, body)) or b"")

        def _do(self, action: str, effect: Callable[[dict[str, str]], bytes]) -> None:
            query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            if store.answer is not None:
                self._say(*store.answer)
            elif self.headers.get("Authorization") != expected:
                self._say(401, b"who are you?")
            elif query.get("action") != action or query.get("shop") != "1":
                self._say(400, b"no such action")
            else:
                self._say(200, effect(query))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The test says what it needs."""

    return Handler
