"""Every error answer of the API is application/problem+json (RFC 9457)."""

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    UnreadablePostError,
)
from django.views import defaults
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    ErrorDetail,
    NotAuthenticated,
    ParseError,
    Throttled,
    ValidationError,
)
from rest_framework.response import Response
from rest_framework.settings import api_settings

from config import throttle
from config.api import TooLarge, Unavailable, pointer_to
from config.middleware import request_id

PROBLEM_TYPE = "https://maestro.example/problems/"
CONTENT_TYPE = "application/problem+json"
API = "/api/"
MOST_ENTRIES = 200  # a body can be wrong in more places than anybody reads

log = logging.getLogger(__name__)
Entry = dict[str, str]


# --- answers of the API's own views --------------------------------------------------------------


class ProblemHandler(ExceptionHandler):
    """Says so when the database is away instead of failing in words of its driver."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, OperationalError | InterfaceError):
            return Unavailable()
        if isinstance(exc, RequestDataTooBig):
            return TooLarge()
        if isinstance(exc, SuspiciousOperation | BadRequest | UnreadablePostError):
            return ParseError("The request is not one this server can read.")
        if isinstance(exc, DataError):
            # Checks come first; what they let through must still be no 500, but be seen by us.
            log.error("a request reached the database with a value it cannot hold", exc_info=exc)
            return ValidationError("The request holds a value that cannot be stored.")
        if isinstance(exc, AuthenticationFailed | NotAuthenticated):
            rate = throttle.of_stranger(self.context["request"])
            if rate and rate.over:
                return Throttled(rate.reset, "Too many calls without a key that is known.")
        return super().convert_known_exceptions(exc)

    def format_exception(self, exc: APIException) -> dict[str, Any]:
        entries = list(islice(_entries(exc), MOST_ENTRIES))
        code = "invalid" if isinstance(exc, ValidationError) else _code(exc)
        return problem(exc.status_code, code, _detail(exc, entries), entries)


def problem_handler(exc: Exception, context: Any) -> Response | None:
    """DRF's exception handler: every error answer is application/problem+json."""
    response = ProblemHandler(exc, context).run()
    if response is not None:
        response.content_type = CONTENT_TYPE
    return response


def problem(status: int, code: str, detail: str, errors: list[Entry]) -> dict[str, Any]:
    """RFC 9457: type, title, status, detail, and one entry per field with its JSON pointer."""
    return {
        "type": f"{PROBLEM_TYPE}{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "errors": errors,
        "request_id": request_id.get(),
    }


def _code(exc: APIException) -> str:
    codes = exc.get_codes()
    return codes if isinstance(codes, str) else "invalid"


def _entries(exc: APIException) -> Iterator[Entry]:
    """One entry per field; what is wrong with the body as a whole points at "/"."""
    found = getattr(exc, "problems", None)
    if found is not None:
        yield from ({"pointer": p, "code": c, "detail": d} for p, c, d in found)
    elif isinstance(exc, ValidationError | ParseError):
        yield from flat(exc.detail)


def flat(detail: Any, pointer: str = "") -> Iterator[Entry]:
    """The errors of a serializer, however nested, each with the JSON pointer of its field."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            whole = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from flat(inner, pointer if whole else pointer_to(pointer, name))
    elif isinstance(detail, list):
        for i, inner in enumerate(detail):
            plain = isinstance(inner, str)
            yield from flat(inner, pointer if plain else f"{pointer}/{i}")
    else:
        code = str(detail.code) if isinstance(detail, ErrorDetail) else "invalid"
        yield {"pointer": pointer or "/", "code": code, "detail": str(detail)}


def _detail(exc: APIException, entries: list[Entry]) -> str:
    if not entries or isinstance(exc, ParseError):
        return str(exc.detail)
    more = f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
    return f"{entries[0]['pointer']}: {entries[0]['detail']}{more}"


# --- answers of Django itself (config/urls.py names them) ----------------------------------------


def _plain(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(problem(status, code, detail, []), status=status, content_type=CONTENT_TYPE)


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler400: an unknown host, a broken upload, too many fields, a body over the limit."""
    too_large = isinstance(exception, RequestDataTooBig)
    if _is_api(request):
        if too_large:
            return _plain(413, TooLarge.default_code, TooLarge.default_detail)
        return _plain(400, "bad_request", "The request is not one this server can read.")
    if too_large:
        words = "What was sent is larger than the limit. Go back and send less, or split the file."
        return HttpResponse(words, status=413, content_type="text/plain; charset=utf-8")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler403."""
    if _is_api(request):
        return _plain(403, "permission_denied", "You may not do this.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404: no such path."""
    if _is_api(request):
        return _plain(404, "not_found", "There is nothing at this path; see /api/v1/docs/.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """handler500: our fault; the log has the request's id."""
    if _is_api(request):
        return _plain(500, "error", "Something broke here. It was logged; nothing was written.")
    return defaults.server_error(request)
