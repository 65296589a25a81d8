"""What people of the house add to an order: notes, files and tags, each told by the timeline."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction

from orders import events, lifecycle
from orders.models import Attachment, Order, OrderNote

MOST_BYTES = 10 * 1024 * 1024
MOST_TAGS = 50
TAG_LENGTH = 60
LOOKED_AT = 2_000  # newest orders whose tags are suggested
# How files of the types that are taken begin; plain text is what can be read as text.
_BEGINNINGS: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"%PDF-", 0, "application/pdf"),
)
TAKEN = "a picture (PNG, JPEG, GIF, WebP), a PDF or plain text, at most 10 MB"


class NotTaken(Exception):
    """The file is of no type that is taken, or too large; the words say which."""


class TooManyTags(Exception):
    """The order would have more tags than one can have."""


def write(*, order_id: int, text: str, author: str) -> OrderNote:
    """Write a note on an order."""
    with transaction.atomic():
        note = OrderNote.objects.create(order_id=order_id, text=text, author=author)
        events.record(order_id, "note.added", actor=author, note=note.pk)
    return note


def attach(*, order_id: int, file: UploadedFile, author: str) -> Attachment:
    """Keep a file with an order, under a name nobody can guess or choose. Raises NotTaken."""
    size, name = file.size or 0, (file.name or "file")[-200:]
    if not 0 < size <= MOST_BYTES:
        raise NotTaken(f"The file is empty or too large; take {TAKEN}.")
    kind = _type_of(file)
    file.name = uuid.uuid4().hex
    with transaction.atomic():
        kept = Attachment.objects.create(
            order_id=order_id, file=file, name=name, content_type=kind, size=size, author=author
        )
        events.record(order_id, "attachment.added", actor=author, attachment=kept.pk)
    return kept


def _type_of(file: UploadedFile) -> str:
    """The type that the content shows, whatever the name or the browser says. Raises NotTaken."""
    file.seek(0)
    start = file.read(16)
    for beginning, at, kind in _BEGINNINGS:
        if start[at : at + len(beginning)] == beginning:
            return kind
    file.seek(0)
    try:
        text = file.read().decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise NotTaken(f"That is no file of a type we keep; take {TAKEN}.")
    file.seek(0)
    return "text/plain"


def clean_tag(text: str) -> str:
    """A tag as it is kept: in lower case, without spaces around or twice inside."""
    return " ".join(text.lower().split())[:TAG_LENGTH]


def change_tags(
    *, order_id: int, actor: str, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> bool:
    """Add and remove tags; says whether that changed anything. Raises TooManyTags."""
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        gone = [tag for tag in order.tags if tag in remove]
        new = [tag for tag in dict.fromkeys(add) if tag not in order.tags]
        if not gone and not new:
            return False
        tags = [tag for tag in order.tags if tag not in gone] + new
        if len(tags) > MOST_TAGS:
            raise TooManyTags(f"An order has at most {MOST_TAGS} tags.")
        Order.objects.filter(pk=order_id).update(tags=tags)
        events.record(order_id, "tags.changed", actor=actor, added=new, removed=gone)
    return True


def suggested_tags() -> list[str]:
    """Tags of the newest orders, by name: what one more order may be called, too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT unnest(tags) FROM"
            " (SELECT tags FROM orders_order ORDER BY id DESC LIMIT %s) o ORDER BY 1 LIMIT 100",
            [LOOKED_AT],
        )
        return [tag for (tag,) in cursor.fetchall()]


def of(order: Order, *, user: Any) -> dict[str, list[Any]]:
    """Notes and files of an order that this person may see, newest first, for its page."""
    may = user.has_perm
    return {
        "notes": list(order.notes.order_by("-id")) if may("orders.view_ordernote") else [],
        "attachments": list(order.attachments.order_by("-id"))
        if may("orders.view_attachment") else [],
    }  # fmt: skip
