"""DRF plumbing: strict JSON, errors, strict filters, cursor pages, stored answers of POSTs."""

import gc
import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import orjson
from django.core.exceptions import ValidationError as FormError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.http import parse_header_parameters
from django.utils.timezone import is_naive
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend, IsoDateTimeFilter
from psycopg.types.json import Jsonb
from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    ErrorDetail,
    NotFound,
    ParseError,
    PermissionDenied,
    UnsupportedMediaType,
    ValidationError,
)
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.models import IdempotencyKey

MAX_BODY_BYTES = 1024 * 1024
MAX_LARGE_BODY_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 20
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_MAYBE_FORBIDDEN = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")  # halves of an emoji, too
_SHOWN = 80  # characters of a caller's own text that an error repeats


class TooLarge(APIException):
    """The body is over the limit."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = f"The body is larger than {MAX_BODY_BYTES} bytes."


class Conflict(APIException):
    """The request contradicts what is there already."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class KeyReused(APIException):
    """An Idempotency-Key came again with another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used for another request; use a new key."


class Unavailable(APIException):
    """The database is away or too busy; the caller may try again with the same key."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "The database cannot answer now; try again in a moment."
    wait = 2  # seconds; becomes Retry-After


class Problems(APIException):
    """Several problems, each with its own pointer, from a domain exception."""

    def __init__(
        self, code: str, problems: list[tuple[str, str, str]], *, status_code: int
    ) -> None:
        self.status_code = status_code
        self.problems = problems
        super().__init__(problems[0][2] if problems else code, code)


# --- strict JSON ---------------------------------------------------------------------------------


class StrictJSONParser(JSONParser):
    """UTF-8 JSON only: no duplicate keys, no NUL or lone surrogate, bounded size and depth."""

    limit = MAX_BODY_BYTES

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        _, parameters = parse_header_parameters(media_type or "")
        if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType(media_type or "", "JSON is read as UTF-8 only.")
        return parse_json(read_body(stream, limit=self.limit))


class LargeJSONParser(StrictJSONParser):
    """The same for calls that take many orders."""

    limit = MAX_LARGE_BODY_BYTES

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        # A request and what it is handled with point at each other: Python alone lets go of the
        # last call's thousands of objects too late, after several calls more. What was there before
        # the first request is not walked (config/collector.py), so this takes about a millisecond.
        gc.collect()
        return super().parse(*args, **kwargs)


def read_body(stream: Any, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """The raw body, refused when it is over the limit whatever its headers say."""
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    return body


def parse_json(body: bytes, *, any_text: bool = False) -> Any:
    """Parse strictly; raises ParseError with words, and, unless `any_text` is wanted, Problems
    naming a text that cannot be stored."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 (byte {error.start}).") from None
    except RecursionError:
        raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is not JSON: {error}.") from None
    except ValueError:  # Python's own bound on digits
        raise ParseError("The body has a whole number of thousands of digits.") from None
    if _depth_over(body):
        _check_depth(value)
    if not any_text and _MAYBE_FORBIDDEN.search(body):  # it can stand in JSON only as an escape
        check_texts(value)
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ParseError(f"The key {shown(name)} stands twice in one object.")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise ParseError(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ParseError(f"{shown(text)} is too large for a number.")
    return number


def shown(text: str) -> str:
    """A caller's own text as an error repeats it: quoted, escaped and short."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return repr(cut)


def _depth_over(body: bytes) -> bool:
    return body.count(b"[") + body.count(b"{") > MAX_DEPTH


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    if level:
        raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")


def check_texts(value: Any, pointer: str = "") -> None:
    """All texts inside `value` can be stored; raises Problems pointing at the first that cannot."""
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            detail = "holds a NUL or a lone surrogate, which is not text"
            raise Problems("invalid_text", [(pointer or "/", "invalid_text", detail)],
                           status_code=400)  # fmt: skip
    elif isinstance(value, dict):
        for name, item in value.items():
            inside = pointer_to(pointer, name)
            check_texts(name, inside)
            check_texts(item, inside)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_texts(item, f"{pointer}/{i}")


def pointer_to(parent: str, name: object) -> str:
    """The JSON pointer (RFC 6901) of a member; safe to print, however wrong the name is."""
    text = str(name).encode("utf-8", "replace").decode().replace("\x00", "?")[:_SHOWN]
    return f"{parent}/{text.replace('~', '~0').replace('/', '~1')}"


# --- callers --------------------------------------------------------------------------------------


def own_location(request: Request) -> int | None:
    """The stock point a key is bound to; None for the company's own systems, which see all.

    A channel's key gets 403: channels sell stock, they do not set it.
    """
    if request.auth.channel_id is not None:  # type: ignore[union-attr]
        raise PermissionDenied(
            "This is a channel's key; a stock point's or the company's is needed."
        )
    return request.auth.location_id  # type: ignore[union-attr]


# --- lists ---------------------------------------------------------------------------------------


def check_parameters(request: Request, known: Collection[str]) -> None:
    """Refuse query parameters that nobody reads, and values given twice: a typo is an error."""
    words = f"unknown parameter; known are: {', '.join(sorted(known))}"
    wrong = {name: words for name in request.query_params if name not in known}
    if wrong:
        raise ValidationError(
            {name: ErrorDetail(words, "unknown_parameter") for name, words in wrong.items()}
        )


class StrictFilters(DjangoFilterBackend):
    """django-filter that refuses unknown parameters and the same parameter twice."""

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        filterset = self.get_filterset_class(view, queryset)
        pages = {CursorPages.cursor_query_param, CursorPages.page_size_query_param}
        more = set(getattr(view, "more_parameters", ()))  # that the view reads itself
        known = pages | more | set(filterset.base_filters if filterset else ())
        check_parameters(request, known)
        for name, values in request.query_params.lists():
            if len(values) > 1:
                raise ValidationError({name: ErrorDetail("is given twice", "given_twice")})
        return super().filter_queryset(request, queryset, view)


class MomentField(IsoDateTimeField):
    """A time with its zone; which zone a bare time means, nobody can know."""

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            moment = parse_datetime(str(value).strip())
        except ValueError:
            moment = None
        if moment is None or is_naive(moment):
            raise FormError(self.error_messages["invalid"], "invalid")
        return moment


class MomentFilter(IsoDateTimeFilter):
    """A filter by a time with its zone."""

    field_class = MomentField

    def __init__(self, *args: Any, **options: Any) -> None:
        words = "needs date, time and zone, e.g. 2026-11-23T10:00:00Z (write a plus as percent 2B)"
        super().__init__(*args, error_messages={"invalid": words}, **options)


class CursorPages(CursorPagination):
    """Cursor pages of 50, at most 200; `next` and `previous` also stand in the Link header."""

    page_size = 50
    cursor_query_param = "cursor"
    page_size_query_param = "limit"
    max_page_size = 200
    ordering = "-id"

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        if not _is_count(given) or int(given) == 0:
            raise ValidationError({self.page_size_query_param: "is not a whole number from 1"})
        return min(int(given), self.max_page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        wrong = ValidationError({self.cursor_query_param: "is not a cursor of this list"})
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise wrong from None
        if cursor is None:
            return None
        says_nothing = cursor.position is None and not cursor.offset and not cursor.reverse
        if says_nothing or not (cursor.position is None or self.is_position(str(cursor.position))):
            raise wrong
        return cursor

    def is_position(self, text: str) -> bool:
        """Whether a cursor of this list may stand there: at a number."""
        return _is_count(text)

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        links = {"next": self.get_next_link(), "prev": self.get_previous_link()}
        header = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items() if url)
        if header:
            response["Link"] = header
        return response


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


# --- stored answers ------------------------------------------------------------------------------

Answer = tuple[int, Mapping[str, Any]]


def idempotent(request: Request, effect: Callable[[], Answer]) -> Response:
    """Run `effect` once per Idempotency-Key of the caller; a repeat gets the stored answer.

    The key's row, the effect and its answer commit together; a concurrent repeat waits for the
    first to commit. Errors roll the key back, so a corrected request may use it again. Without a
    key, or for a caller without an API key (a signed webhook), the effect simply runs in a
    transaction. Raises KeyReused for the same key with another request.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None or request.auth is None:
        with transaction.atomic():
            code, body = effect()
        return Response(body, status=code)
    if not 0 < len(key) <= 255 or not key.isprintable():
        raise ValidationError({"Idempotency-Key": "must be 1 to 255 printable characters"})
    owner = request.auth.prefix  # type: ignore[union-attr]
    digest = _digest(request)
    with transaction.atomic():
        row = IdempotencyKey(owner=owner, key=key, request_hash=digest)
        if not _insert(row):
            return _replay(owner, key, digest)
        code, body = effect()
        stored: Any = Jsonb(body, dumps=orjson.dumps)
        with connection.cursor() as cursor:  # written out: every order pays for it
            cursor.execute(
                "UPDATE config_idempotencykey SET status = %s, body = %s"
                " WHERE owner = %s AND key = %s",
                [code, stored, owner, key],
            )
    return Response(body, status=code)


def _insert(row: IdempotencyKey) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO config_idempotencykey (owner, key, request_hash, created_at)"
            " VALUES (%s, %s, %s, now()) ON CONFLICT (owner, key) DO NOTHING",
            [row.owner, row.key, row.request_hash],
        )
        return cursor.rowcount == 1


def _replay(owner: str, key: str, digest: str) -> Response:
    stored = IdempotencyKey.objects.get(owner=owner, key=key)
    if stored.request_hash != digest:
        raise KeyReused
    return Response(stored.body, status=stored.status, headers={"Idempotent-Replayed": "true"})


def _digest(request: Request) -> str:
    content = json.dumps(request.data, sort_keys=True, default=str)
    return hashlib.sha256(f"{request.method} {request.path} {content}".encode()).hexdigest()
