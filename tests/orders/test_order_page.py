"""The page of an order: what people add to it, and a timeline in words."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from orders import cancellation, holds, notes
from orders.events import record
from orders.models import Attachment, Order
from orders.timeline import entries

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def page(order: Order, action: str = "change") -> str:
    return reverse(f"admin:orders_order_{action}", args=[order.pk])


def attach(client, order: Order, name: str, content: bytes):
    return client.post(page(order, "attach_file"), {"file": SimpleUploadedFile(name, content)})


@pytest.fixture
def order(company) -> Order:
    return company.place(("TEE", 1), ("MUG", 2))


def test_notes_and_tags_are_written_on_the_page(console, order):
    assert console.post(page(order, "write_note"), {"text": "call <b>first</b>"}).status_code == 302
    for tag in ("VIP  ring", "vip ring", "late"):
        console.post(page(order, "add_tag"), {"tag": tag})
    console.post(page(order, "remove_tag"), {"tag": "late"})
    order.refresh_from_db()
    assert order.tags == ["vip ring"]

    shown = console.get(page(order))
    text = shown.content.decode()
    assert "call &lt;b&gt;first&lt;/b&gt;" in text
    assert [entry.words for entry in shown.context["timeline"]][:4] == [
        "No longer tagged late", "Tagged late", "Tagged vip ring", "Note: call <b>first</b>",
    ]  # fmt: skip
    assert shown.context["tags_known"] == ["vip ring"]
    assert {entry.actor for entry in shown.context["timeline"]} == {"boss", "test"}


def test_a_file_is_kept_and_handed_out_as_a_download(console, order):
    assert attach(console, order, "dämage \n.png", PNG).status_code == 302
    kept = Attachment.objects.get()
    assert (kept.content_type, kept.size, kept.author) == ("image/png", len(PNG), "boss")
    assert re.fullmatch(r"attachments/\d{4}/\d\d/[0-9a-f]{32}", kept.file.name)

    answer = console.get(reverse("admin:orders_order_attachment", args=[kept.pk]))
    assert b"".join(answer.streaming_content) == PNG
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "Attached d" in console.get(page(order)).context["timeline"][0].words


@pytest.mark.parametrize(
    ("name", "content", "taken"),
    [
        ("a.txt", "grüße".encode(), "text/plain"),
        ("a.png", b"%PDF-1.7 ...", "application/pdf"),
        ("page.html", b"<script>alert(1)</script>", "text/plain"),
        ("a.png", b"MZ\x90\x00\xff\xfe", None),
        ("a.txt", b"a\0b", None),
        ("a.pdf", b"", None),
        ("big.txt", b"a" * (notes.MOST_BYTES + 1), None),
    ],
)
def test_the_content_says_what_a_file_is(console, order, name, content, taken):
    answer = attach(console, order, name, content)
    assert answer.status_code == (302 if taken else 200)
    assert [a.content_type for a in Attachment.objects.all()] == ([taken] if taken else [])


def test_each_remark_needs_its_own_right(console, order, django_user_model):
    kept = notes.attach(order_id=order.pk, file=SimpleUploadedFile("a.png", PNG), author="sam")
    file = reverse("admin:orders_order_attachment", args=[kept.pk])
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_order"))
    console.force_login(reader)
    text = console.get(page(order)).content.decode()
    assert "a.png" not in text
    assert "Write the note" not in text
    assert console.get(file).status_code == 403
    for action, data in (("write_note", {"text": "x"}), ("add_tag", {"tag": "x"})):
        assert console.post(page(order, action), data).status_code == 403
    assert attach(console, order, "a.png", PNG).status_code == 403


def test_every_event_is_told_in_words(company, order):
    hold = holds.place(order_id=order.pk, type="manual", handle="h", reason="call", actor="sam")
    holds.resolve(hold_id=hold.pk, actor="clock")
    cancellation.cancel(order_id=order.pk, reason="stock", note="sold out", actor="sam")
    more = {
        "order.changed": {"version": 2, "actions": ["quantity", "address"], "difference": "-5.00",
                          "units_rerouted": 1, "reason": ""},
        "order.checked": {"findings": 2, "risk": 40},
        "cancel.requested": {"units": 1, "reason": "customer"},
        "cancel.refused": {"units": 2, "reason": "already packed"},
        "payment.authorized": {"amount": "5"}, "payment.voided": {"amount": "5"},
        "payment.expired": {"amount": "5"}, "payment.failed": {"amount": "5", "reason": "no funds"},
        "payment.charged_back": {"amount": "5"}, "payment.due": {"amount": "5"},
        "refund.done": {"amount": "5"}, "refund.failed": {"amount": "5"},
        "customer.merged": {"from": 1, "into": 2}, "customer.erased": {},
        "parcel.arrived": {"location": "LYON"},
        "promise.changed": {"before": "2026-11-24T10:00:00+00:00",
                            "promised_at": "2026-11-26T10:00:00+00:00", "reference": "PO-1"},
    }  # fmt: skip
    for kind, data in more.items():
        record(order.pk, kind, actor="sam", **data)
    told = {entry.kind: entry for entry in entries(order, holds=order.holds.all())}
    words = {kind: entry.words for kind, entry in told.items()}

    assert words["order.canceled"] == "Canceled 3 units: not in stock, sold out"
    assert words["order.changed"] == (
        "Changed to version 2: another quantity, another address; total −€5.00; "
        "1 unit to be routed again"
    )
    assert words["order.checked"] == "Checked again: 2 findings, risk 40 of 100"
    assert words["cancel.refused"] == "The warehouse keeps 2 units: already packed"
    assert words["payment.failed"] == "Payment of €5.00 failed: no funds"
    assert words["parcel.arrived"] == "Parcel arrived at Lyon store"
    assert words["promise.changed"] == (
        "Promised until Thu 26 Nov instead of Tue 24 Nov, because PO-1 moved"
    )
    assert told["hold.resolved"].actor == "Maestro"
    assert (told["payment.charged_back"].level, told["refund.done"].level) == ("bad", "good")
    figures = re.compile(r"[{\[_]|\w\.\w+ed\b")
    assert {kind: said for kind, said in words.items() if figures.search(said)} == {}


def test_a_bundle_is_shown_as_it_was_bought(console, company, order):
    line, other = order.lines.order_by("position")
    bundle = order.bundles.create(
        position=3, product=line.product, sku="SET", name="Set", quantity=1, unit_price="29.50",
        total="29.50",
    )  # fmt: skip
    group = order.delivery_groups.create(key="mum", name="Mum", line1="3 rue X", city="Nice")
    for i, part in enumerate((line, other), start=1):
        part.position, part.component, part.bundle, part.group = 3, i, bundle, group
        part.save()
    shown = console.get(page(order))
    (item,) = shown.context["items"]
    assert (item.bought, item.components, item.group) == (bundle, (line, other), group)
    text = shown.content.decode()
    assert "bundle of" in text
    assert "3 rue X" in text


def test_the_page_shows_what_the_checks_found(console, order):
    found = {"check": "fraud", "pointer": "/customer/email", "code": "x", "words": "is new",
             "score": 40}  # fmt: skip
    Order.objects.filter(pk=order.pk).update(risk=40, findings=[found])
    text = console.get(page(order)).content.decode()
    assert "risk 40 of 100" in text
    assert "is new" in text
