"""A warehouse with a system of its own, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fulfillment.models import FulfillmentOrder
from inventory.models import Location
from tests.fulfillment.stage import asked


@dataclass
class FakeWms:
    """Answers what it is told to and remembers what it was sent."""

    url: str = ""
    answers: list[tuple[int, str]] = field(default_factory=list)
    got: list[tuple[str, dict]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, key: str, body: dict) -> tuple[int, str]:
        self.got.append((key, body))
        return self.answers.pop(0) if self.answers else (202, '{"reference": "W-77"}')


@pytest.fixture
def wms() -> Iterator[FakeWms]:
    fake = FakeWms()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = fake.answer(self.headers["Idempotency-Key"], json.loads(body))
            self.send_response(status)
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}/WH"
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def told(company, wms) -> FulfillmentOrder:
    """Work of the warehouse, whose system was not told yet."""
    Location.objects.filter(code="WH").update(wms_url=wms.url)
    return asked(company, ("TEE", 2), ("MUG", 1), at="WH")
