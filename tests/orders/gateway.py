"""A payment provider on loopback, as docs/payments.md describes one: it keeps an account."""

import json
import threading
from collections import Counter
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdCBnYXRld2F5"


class PaymentProvider:
    """`moved` is what it did, by kind; one Idempotency-Key moves money once, whatever it answers.

    `answers` are taken one by one: a status code, words that are no JSON, or a JSON answer.
    Without any it does what it is asked.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.moved: Counter[str] = Counter()
        self.answers: list[Any] = []
        self.during = lambda: None  # happens while we wait for the answer
        self._done: dict[str, dict[str, Any]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                said = Webhook(SECRET).verify(body, dict(self.headers.items()))
                status, answer = provider.hear(self.headers["Idempotency-Key"], said["data"], said)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/pay"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def hear(self, key: str, asked: dict[str, Any], said: dict[str, Any]) -> tuple[int, bytes]:
        self.keys.append(key)
        self.asked.append(asked)
        self.during()
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, int):
            return answer, b"away"
        if isinstance(answer, str):
            return 200, answer.encode()
        if key not in self._done:
            full = {"status": "done", "reference": f"tx-{len(self._done) + 1}", **answer}
            self._done[key] = full
            if full["status"] == "done":
                self.moved[said["type"].removeprefix("payment.")] += Decimal(asked["amount"])
        return 200, json.dumps(self._done[key]).encode()
