"""Everything that moves stock, as deeds: prepared here, done whenever the test says so.

A deed gets a scene (one product of its own at two stock points) and returns what is to be done.
What a deed may be refused with is no fault: somebody was faster.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO

from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from config.status import IllegalMove, MovedMeanwhile
from inventory import counts, expiry, feeds, ledger, supplies, transfers
from inventory.ledger import hot
from inventory.models import Product, Reservation, Stock, StockSource, Supply
from orders import baskets, cancellation
from orders.capture import Refused
from orders.models import Basket
from tests.cast import Company

REFUSALS = (
    ledger.NotEnough, ledger.ClaimGone, Refused, baskets.NotAvailable, baskets.BasketGone,
    transfers.Refused, counts.Impossible, IllegalMove, MovedMeanwhile, cancellation.NothingToCancel,
)  # fmt: skip
UNITS = 5
_numbers = itertools.count(1)


@dataclass
class Scene:
    """A product that nobody else touches: five units in Lyon, five in Paris."""

    company: Company
    product: Product = field(init=False)

    def __post_init__(self) -> None:
        sku = f"S{next(_numbers):05}"
        self.product = Product.objects.create(sku=sku, name=sku, price=10, weight_g=300)
        ledger.post(
            [ledger.Entry(self.product.pk, self.place(code), "opening", on_hand=UNITS)
             for code in ("LYON", "PARIS")],
            actor="scene",
        )  # fmt: skip

    def place(self, code: str) -> int:
        return self.company.locations[code].pk

    def order(self, units: int, **more: object) -> object:
        """An order of a customer of its own: orders of one customer wait for each other."""
        who = {"email": f"c{next(_numbers)}@example.org", "name": "Ana", "phone": ""}
        return self.company.place((self.product.sku, units), customer=who, **more)

    @property
    def lyon(self) -> tuple[int, int]:
        return self.product.pk, self.place("LYON")

    def claim(self, units: int) -> int | None:
        """Somebody holds units in Lyon for an hour."""
        until = timezone.now() + timedelta(hours=1)
        basket = Basket.objects.create(channel=self.company.web, reference=f"c{next(_numbers)}",
                                       expires_at=until)  # fmt: skip
        got = ledger.reserve([ledger.Claim(0, *self.lyon, units, basket.pk)], owner_type="basket",
                             actor="scene", expires_at=until)  # fmt: skip
        return got[0].reservation if got else None

    def hold(self, units: int) -> baskets.Held | None:
        try:
            return baskets.hold(self.company.web, reference=f"b{next(_numbers)}",
                                items={self.product.sku: units}, actor="scene")  # fmt: skip
        except baskets.NotAvailable:
            return None


Deed = Callable[[], object]


def buy(scene: Scene) -> Deed:
    return lambda: scene.order(3)


def hold(scene: Scene) -> Deed:
    return lambda: baskets.hold(scene.company.web, reference=f"b{next(_numbers)}",
                                items={scene.product.sku: 4}, actor="deed")  # fmt: skip


def redeem(scene: Scene) -> Deed:
    held = scene.hold(2)
    token = str(held.basket.token) if held else None
    return lambda: scene.order(3, basket=token)


def give_up(scene: Scene) -> Deed:
    held = scene.hold(2)
    if held is None:
        return lambda: None
    return lambda: baskets.release(scene.company.web, held.basket.token, actor="deed")


def expire(scene: Scene) -> Deed:
    held = scene.hold(2)
    if held is not None:
        over = timezone.now() - timedelta(seconds=1)
        Basket.objects.filter(pk=held.basket.pk).update(expires_at=over)
        claims = Reservation.objects.filter(owner_type="basket", owner_id=held.basket.pk)
        claims.update(expires_at=over)
    return expiry.sweep


def cancel(scene: Scene) -> Deed:
    try:
        order = scene.order(2)
    except Refused:
        return lambda: None
    return lambda: cancellation.cancel(order_id=order.pk, reason="customer", actor="deed")


def hand_over(scene: Scene) -> Deed:
    claim, key = scene.claim(2), f"test:{next(_numbers)}"
    if claim is None:
        return lambda: None
    return lambda: ledger.take([(claim, key)], cause_type="parcel", cause_id=1, actor="deed")


def adjust(scene: Scene) -> Deed:
    entry = ledger.Entry(*scene.lyon, "adjustment", on_hand=-3, reason="lost")
    return lambda: ledger.post([entry], actor="deed")


def set_aside(scene: Scene) -> Deed:
    entry = ledger.Entry(*scene.lyon, "block", unavailable=2, bucket="damaged")
    return lambda: ledger.post([entry], actor="deed")


def keep_back(scene: Scene) -> Deed:
    return lambda: ledger.set_levels([ledger.Level(*scene.lyon, 2, None)], actor="deed")


def _deliver(scene: Scene, system: str, mode: str, units: int) -> Deed:
    source, _ = StockSource.objects.get_or_create(
        code=system, defaults={"name": system, "system": system}
    )
    column = "quantity" if mode == "absolute" else "change"
    file = BytesIO(f"sku,location,{column}\n{scene.product.sku},LYON,{units}\n".encode())
    return lambda: feeds.load(file, source, mode=mode, reference=f"d{next(_numbers)}",
                              actor="deed")  # fmt: skip


def level(scene: Scene) -> Deed:
    return _deliver(scene, "erp", "absolute", 2)


def change(scene: Scene) -> Deed:
    return _deliver(scene, "wms", "delta", -2)


def till(scene: Scene) -> Deed:
    return _deliver(scene, "till", "delta", -4)


def _transfer(scene: Scene, *, confirmed: bool) -> int | None:
    places = scene.company.locations
    row = transfers.create(flow="both", source=places["LYON"], destination=places["PARIS"],
                           units={scene.product.pk: 3}, actor="scene")  # fmt: skip
    try:
        if confirmed:
            transfers.confirm(transfer_id=row.pk, actor="scene")
    except transfers.Refused:
        return None
    return row.pk


def confirm(scene: Scene) -> Deed:
    pk = _transfer(scene, confirmed=False)
    return lambda: transfers.confirm(transfer_id=pk, actor="deed")


def send(scene: Scene) -> Deed:
    pk = _transfer(scene, confirmed=True)
    return lambda: pk and transfers.ship(transfer_id=pk, actor="deed")


def arrive(scene: Scene) -> Deed:
    pk = _transfer(scene, confirmed=True)
    if pk is None:
        return lambda: None
    row = transfers.ship(transfer_id=pk, actor="scene")
    line = row.lines.get()
    arrived = {line.pk: transfers.Arrived(received=2, refused=1)}
    return lambda: transfers.receive(transfer_id=pk, arrived=arrived, actor="deed")


def count(scene: Scene) -> Deed:
    row = counts.start(location=scene.place("LYON"), kind="selective", products=[scene.product.pk],
                       actor="scene")  # fmt: skip
    section = row.sections.get()
    counts.take(section_id=section.pk, by="scene")
    counts.record(section_id=section.pk, by="scene",
                  entries=[counts.Found(scene.product.sku, 3, timezone.now())])  # fmt: skip
    counts.submit_section(section_id=section.pk, by="scene")
    counts.submit(count_id=row.pk, by="scene")
    counts.decide(count_id=row.pk, lines=row.lines.values_list("pk", flat=True), decision="accept",
                  by="scene")  # fmt: skip
    return lambda: counts.post(count_id=row.pk, by="deed")


def receive(scene: Scene) -> Deed:
    number = next(_numbers)
    today = timezone.now().date()
    supply = Supply.objects.create(
        reference=f"PO{number}", location_id=scene.place("LYON"), product=scene.product,
        quantity=4, eta=today, first_eta=today,
    )  # fmt: skip
    receipt = supplies.Receipt(supply.pk, 3, refused=1, key=f"r{number}")
    return lambda: supplies.receive([receipt], actor="deed")


def start_sale(scene: Scene) -> Deed:
    product, location = scene.lyon
    return lambda: hot.split(product=product, location=location, shares=2, actor="deed")


def end_sale(scene: Scene) -> Deed:
    product, location = scene.lyon
    try:
        hot.split(product=product, location=location, shares=2, actor="scene")
    except ledger.NotEnough:
        return lambda: None
    return lambda: hot.join(product=product, location=location, actor="deed")


def cover(scene: Scene) -> Deed:
    """A worker takes claims from who came last, because the shelf holds fewer."""
    scene.claim(3)
    ledger.post([ledger.Entry(*scene.lyon, "adjustment", on_hand=-3)], actor="scene")
    settle_due()
    return lambda: outbox.drain("shortage")


EVERY: dict[str, Callable[[Scene], Deed]] = {
    deed.__name__: deed
    for deed in (buy, hold, redeem, give_up, expire, cancel, hand_over, adjust, set_aside,
                 keep_back, level, change, till, confirm, send, arrive, count, receive, start_sale,
                 end_sale, cover)
}  # fmt: skip


def prepare(name: str, scene: Scene) -> Deed:
    """The deed of this name, ready to be done; nothing at all when the scene is past it."""
    try:
        return EVERY[name](scene)
    except REFUSALS:
        return lambda: None


def settle_due() -> None:
    """All work is due now, whatever clock wrote it."""
    OutboxRow.objects.filter(done_at=None).update(next_at=timezone.now() - timedelta(minutes=1))


def settle() -> None:
    """Workers do what is due until nothing is."""
    settle_due()
    outbox.drain_all()


def free(scene: Scene) -> int:
    """Units of the scene's product that can be promised, hot shares included."""
    rows = Stock.objects.filter(product=scene.product)
    shares = Reservation.objects.filter(product=scene.product, owner_type="hot")
    return sum(row.free for row in rows) + sum(shares.values_list("quantity", flat=True))
