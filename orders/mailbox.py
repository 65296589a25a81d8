"""The mail that the local catcher of `make run` kept: staff read here what customers would get.

The folder is only read. A name from the address bar is looked up among the names that are there,
so it can lead nowhere else; HTML is shown in a frame that may neither run, load nor send anything.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import wraps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

PER_PAGE = 50
HEADER_BYTES = 64 * 1024  # read of each message for the list
LARGEST = 10_000_000  # bytes read of one message
PERMISSION = "orders.view_notification"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.eml", re.ASCII)

app_name = "mailbox"


@dataclass(frozen=True)
class Mail:
    """One caught message in words; `text` and `html` are empty in a list."""

    name: str
    caught_at: datetime
    subject: str
    sender: str
    recipient: str
    message_id: str
    text: str = ""
    html: str = ""


def names(folder: Path) -> list[str]:
    """Names of the caught messages, the newest first: the catcher's names sort by time."""
    if not folder.is_dir():
        return []
    return sorted((f.name for f in folder.iterdir() if _is_mail(f)), reverse=True)


def _is_mail(file: Path) -> bool:
    # A link could lead out of the folder.
    return _NAME.fullmatch(file.name) is not None and file.is_file() and not file.is_symlink()


def read(folder: Path, name: str, *, whole: bool) -> Mail:
    """Read one message of the folder. Raises FileNotFoundError for any other name."""
    file = folder / name
    if _NAME.fullmatch(name) is None or not _is_mail(file):
        raise FileNotFoundError(name)
    with file.open("rb") as stream:
        content = stream.read(LARGEST if whole else HEADER_BYTES)
        caught_at = datetime.fromtimestamp(file.stat().st_mtime, tz=UTC)
    try:
        return _parsed(content, name, caught_at, whole=whole)
    except Exception:  # the parser stumbles over some broken headers in ways of its own
        raw = content.decode("latin-1") if whole else ""
        return Mail(name, caught_at, "(unreadable message)", "", "", "", text=raw)


def _parsed(content: bytes, name: str, caught_at: datetime, *, whole: bool) -> Mail:
    parser = BytesParser(policy=policy.default)
    message: Any = parser.parsebytes(content, headersonly=not whole)
    return Mail(
        name=name,
        caught_at=caught_at,
        subject=_header(message, "Subject") or "(no subject)",
        sender=_header(message, "From"),
        recipient=_header(message, "X-Caught-For") or _header(message, "To"),
        message_id=_header(message, "Message-ID"),
        text=_part(message, "plain") if whole else "",
        html=_part(message, "html") if whole else "",
    )


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())


def _part(message: EmailMessage, kind: str) -> str:
    part: Any = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # an unknown charset or a broken encoding
        return (part.get_payload(decode=True) or b"").decode("latin-1")


# --- pages ---------------------------------------------------------------------------------------


def may_read(request: HttpRequest) -> bool:
    """Whether this person may read customers' mail: it carries their names and their links."""
    return request.user.is_staff and request.user.has_perm(PERMISSION)


def _guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @require_safe
    @staff_member_required
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not may_read(request):
            raise PermissionDenied
        return view(request, **kwargs)

    return guarded


@_guarded
def mailbox(request: HttpRequest) -> HttpResponse:
    """The list of caught messages, newest first."""
    folder = Path(settings.CAUGHT_MAIL_DIR)
    page = Paginator(names(folder), PER_PAGE).get_page(request.GET.get("page"))
    mails = []
    for name in page:
        try:
            mails.append(read(folder, name, whole=False))
        except FileNotFoundError:  # the catcher drops the oldest at any time
            continue
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    context = {"title": "Caught mail", "mails": mails, "page": page, "server": server}
    return _page(request, "admin/mailbox.html", context)


@_guarded
def message(request: HttpRequest, name: str) -> HttpResponse:
    """One caught message."""
    try:
        mail = read(Path(settings.CAUGHT_MAIL_DIR), name, whole=True)
    except FileNotFoundError:
        raise Http404 from None
    context = {"title": mail.subject, "mail": mail, "customer_page": _customer_page(mail.text)}
    return _page(request, "admin/mailbox_message.html", context)


def _customer_page(text: str) -> str:
    """The customer's own page, when the message links to it."""
    base = re.escape(settings.PUBLIC_URL.rstrip("/"))
    found = re.search(rf"{base}/track/[A-Za-z0-9_-]+/", text)
    return found.group() if found else ""


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    response = render(request, template, {**admin.site.each_context(request), **context})
    response["Cache-Control"] = "no-store"
    return response


urlpatterns = [
    path("", mailbox, name="list"),
    path("<str:name>/", message, name="message"),
]
