"""The "notify" work of the outbox: one row, at most one message, in a real SMTP conversation.

The row commits with its cause, so an order that was rolled back never sends anything (case 173).
The Notification row is unique per dedupe key and is marked sent in the transaction that marks the
work done. Between the mail server's "250" and that commit lies the one gap that no sender can
close: a worker killed there sends the message again when its lease is over, with the same
Message-ID, by which receivers and people recognize the repeat. Anything else sends it once.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formataddr, parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from config import outbox, status
from config.models import OutboxRow
from orders import events, links
from orders.models import Notification, Order
from orders.notifications import facts, words
from orders.notifications.catalog import MESSAGES, Message
from orders.notifications.facts import NotSent, Reason

ACTOR = "system"
HEADER = "X-Maestro-Notification"
HIDDEN = "(link)"
State = Notification.State
MOVES: status.Moves = {State.PENDING: frozenset({State.SENT, State.SUPPRESSED})}
# Answers to RCPT that are about us, not about the recipient: log in first, relaying denied.
ABOUT_US = {530, 535}
_POLICY = re.compile(r"5\.7\.\d+")


class MailServerFailed(Exception):
    """The conversation with the mail server failed; the work is tried again.

    It carries the server's words without the customer's address: they are kept with the work.
    """


def handle(row: OutboxRow) -> outbox.Finish | None:
    """Send the message that an event of an order asks for, unless it was sent or is pointless.

    Returns what marks it sent or suppressed, for the transaction of the done mark. Raises
    MailServerFailed, or OSError when the server cannot be reached: the outbox backs off.
    """
    outbox.renew(row)
    message = MESSAGES[row.payload["event"]]
    notification = _get_or_create(row, message)
    if notification.state != State.PENDING:
        return None
    order = notification.order
    try:
        address = _address(order)
        said = message.read(order, row.payload)
        return _send(notification, message, address, said)
    except NotSent as why:
        return _suppress(notification, why)


def _get_or_create(row: OutboxRow, message: Message) -> Notification:
    key = message.key(row)
    fresh = Notification(
        order_id=row.subject,
        template=message.template,
        dedupe_key=key,
        trigger=row.payload["event"],
    )
    with transaction.atomic():
        Notification.objects.bulk_create([fresh], ignore_conflicts=True)
        rows = Notification.objects.select_related("order__contact", "order__pickup_location")
        return rows.get(dedupe_key=key)


def _address(order: Order) -> str:
    if order.test:
        raise NotSent(Reason.TEST_ORDER)
    contact = getattr(order, "contact", None)
    address = contact.email if contact else ""
    try:
        validate_email(address)
    except ValidationError:
        raise NotSent(Reason.NO_ADDRESS) from None
    return address


def _send(
    notification: Notification, message: Message, address: str, said: facts.Facts
) -> outbox.Finish:
    order = notification.order
    with _conversation(address) as connection:
        # Only now: a server that is away leaves no links behind.
        link = links.make(order)
        common = facts.common(
            order, getattr(order, "contact", None), company=settings.COMPANY_NAME, link=link
        )
        letter = words.render(message.template, subject=message.subject, facts=common | said)
        _mail(notification, letter, address, connection).send()
    moment = timezone.now()

    def mark() -> None:
        status.move(
            notification, State.SENT, allowed=MOVES, sent_at=moment, recipient=address,
            message_id=message_id(notification), subject=letter.subject,
            body=letter.text.replace(link, links.url(HIDDEN)),
        )  # fmt: skip
        events.record(
            order.pk, "message.sent", actor=ACTOR, notification=notification.pk,
            template=notification.template,
        )  # fmt: skip

    return mark


def _suppress(notification: Notification, why: NotSent) -> outbox.Finish:
    def mark() -> None:
        status.move(notification, State.SUPPRESSED, allowed=MOVES, reason=str(why)[:200])
        events.record(
            notification.order_id, "message.suppressed", actor=ACTOR,
            notification=notification.pk, template=notification.template, reason=why.reason.value,
        )  # fmt: skip

    return mark


def _mail(
    notification: Notification, letter: words.Letter, address: str, connection: BaseEmailBackend
) -> EmailMultiAlternatives:
    mail = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        from_email=sender(),
        to=[address],
        connection=connection,
        headers={
            "Message-ID": message_id(notification),
            HEADER: str(notification.pk),
            "Auto-Submitted": "auto-generated",
        },
    )
    mail.attach_alternative(letter.html, "text/html")
    return mail


def sender() -> str:
    """The From address; it carries the company's name unless the setting has one of its own."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return formataddr((name or words.one_line(settings.COMPANY_NAME), address))


def message_id(notification: Notification) -> str:
    """The same for every attempt at one notification; no other installation's has it."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    made = int(notification.created_at.timestamp() * 1000)
    return f"<notification-{notification.pk}.{made}@{domain}>"


@contextmanager
def _conversation(address: str) -> Iterator[BaseEmailBackend]:
    """An open connection to the mail server; its errors say nothing about the customer."""
    connection = get_connection()
    try:
        connection.open()
        yield connection
    except SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        raise _refused(code, _words(answer, address)) from None
    except SMTPResponseException as error:
        said = _words(error.smtp_error, address)
        raise MailServerFailed(f"{type(error).__name__}: {error.smtp_code} {said}") from None
    except SMTPException as error:
        raise MailServerFailed(f"{type(error).__name__}: {_words(str(error), address)}") from None
    finally:
        # What was said is said: a failing farewell must not send the message a second time.
        with suppress(OSError, SMTPException):
            connection.close()


def _refused(code: int, said: str) -> NotSent | MailServerFailed:
    about_us = code in ABOUT_US or _POLICY.match(said)
    if 500 <= code < 600 and not about_us:
        return NotSent(Reason.REFUSED, f"{code} {said}")
    return MailServerFailed(f"recipient refused for now: {code} {said}")


def _words(said: bytes | str, address: str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return words.one_line(text).replace(address, "(the address)")
