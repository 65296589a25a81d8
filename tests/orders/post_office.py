"""A real SMTP server on the loopback address, and short ways to the events that send mail."""

import itertools
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller

from config import outbox
from config.models import OutboxRow
from fulfillment import work
from fulfillment.models import FulfillmentOrder
from orders import lifecycle
from orders.models import Allocation, Order

_numbers = itertools.count(1)


@dataclass
class PostOffice:
    """Keeps what was delivered; `answers` are its words to a recipient, 250 for all others."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    senders: list[str] = field(default_factory=list)
    _server: Controller | None = None

    def open(self) -> None:
        self._server = Controller(self, hostname="127.0.0.1", port=self.port)
        self._server.start()

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        self.senders.append(envelope.mail_from)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def subjects(self) -> list[str]:
        return [mail["Subject"] for mail in self.mails]

    def text(self) -> str:
        return self.mails[-1].get_body(("plain",)).get_content().replace("\r\n", "\n")

    def html(self) -> str:
        return self.mails[-1].get_body(("html",)).get_content()


def send_all() -> int:
    """Do all the messages' work that is due; returns rows done."""
    return outbox.drain("notify")


def asked(order: Order, event: str) -> OutboxRow:
    """The work that an event of the order asked for."""
    return OutboxRow.objects.get(topic="notify", subject=order.pk, payload__event=event)


def packed(order: Order) -> list[FulfillmentOrder]:
    """Route the order to where it holds stock and have all of it picked and packed there."""
    pieces = list(order.allocations.filter(state="queued", reservation__isnull=False))
    lifecycle.move_slices(pieces, Allocation.State.ALLOCATED, queue="")
    work.sync(order_id=order.pk)
    tasks = list(FulfillmentOrder.objects.filter(order=order, state="new").order_by("pk"))
    for task in tasks:
        work.accept(fulfillment_order_id=task.pk, actor="lea")
        work.pick_all(fulfillment_order_id=task.pk, actor="lea")
        if FulfillmentOrder.objects.get(pk=task.pk).state == "picked":
            work.pack(fulfillment_order_id=task.pk, actor="lea")
    return tasks


def ship(task: FulfillmentOrder, *, tracking: str = "") -> int:
    """Hand one packed parcel to the carrier; returns the parcel's id."""
    outcome = work.ship(
        fulfillment_order_id=task.pk, carrier="DHL",
        tracking_number=tracking or f"TR{next(_numbers)}", actor="lea",
    )  # fmt: skip
    return outcome.parcel.pk
