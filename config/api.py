"""DRF plumbing: strict JSON, error classes, cursor pages, stored answers of POSTs."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection, transaction
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.models import IdempotencyKey

MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 20
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


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
    """The database is away; the caller may try again with the same key."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "The database cannot be reached now; try again in a moment."


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

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return parse_json(read_body(stream))


def read_body(stream: Any) -> bytes:
    """The raw body, refused when it is over the limit whatever its headers say."""
    body = stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge
    return body


def parse_json(body: bytes) -> Any:
    """Parse strictly; raises ParseError with words, and ValidationError naming a bad text."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 (byte {error.start}).") from None
    except RecursionError:
        raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is not JSON: {error}.") from None
    except ValueError as error:
        raise ParseError(f"The body has a number nobody can use: {error}.") from None
    if _depth_over(body):
        _check_depth(value)
    if b"\\u" in body or b"\x00" in body:
        _check_texts(value, "")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"The key {twice!r} stands twice in one object.")
    return found


def _no_constant(name: str) -> None:
    raise ParseError(f"{name} is not a JSON number.")


def _depth_over(body: bytes) -> bool:
    return body.count(b"[") + body.count(b"{") > MAX_DEPTH


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ] if all(isinstance(item, dict | list) for item in level) else []  # fmt: skip
        if not level:
            return
    raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _check_texts(value: Any, pointer: str) -> None:
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            detail = "holds a NUL or a lone surrogate, which is not text"
            raise Problems("invalid_text", [(pointer or "/", "invalid_text", detail)],
                           status_code=400)  # fmt: skip
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_texts(name, f"{pointer}/{name.encode('ascii', 'replace').decode()}")
            _check_texts(item, f"{pointer}/{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _check_texts(item, f"{pointer}/{i}")


# --- pages ---------------------------------------------------------------------------------------


class CursorPages(CursorPagination):
    """Cursor pages of 50, at most 200; `next` and `previous` also stand in the Link header."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    ordering = "-id"

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        links = {"next": self.get_next_link(), "prev": self.get_previous_link()}
        header = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items() if url)
        if header:
            response["Link"] = header
        return response


# --- stored answers ------------------------------------------------------------------------------

Answer = tuple[int, Mapping[str, Any]]


def idempotent(request: Request, effect: Callable[[], Answer]) -> Response:
    """Run `effect` once per Idempotency-Key of the caller; a repeat gets the stored answer.

    The key's row, the effect and its answer commit together; a concurrent repeat waits for the
    first to commit. Errors roll the key back, so a corrected request may use it again. Without a
    key the effect simply runs in a transaction. Raises KeyReused for the same key with another
    request.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
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
        IdempotencyKey.objects.filter(owner=owner, key=key).update(status=code, body=body)
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
