"""Every error answer of the API is application/problem+json (RFC 9457)."""

from typing import Any

from django.db import OperationalError
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from config.api import Unavailable
from config.middleware import request_id

PROBLEM_TYPE = "https://maestro.example/problems/"


class ProblemFormatter(ExceptionFormatter):
    """RFC 9457: type, title, status, detail, and one entry per field with its JSON pointer."""

    def format_error_response(self, error_response: Any) -> dict[str, Any]:
        errors = error_response.errors
        codes = {error.code for error in errors}
        code = "invalid" if error_response.type == "validation_error" else codes.pop()
        found = getattr(self.exc, "problems", None)
        entries = (
            [{"pointer": p, "code": c, "detail": d} for p, c, d in found]
            if found is not None
            else [
                {"pointer": _pointer(e.attr), "code": e.code, "detail": e.detail}
                for e in errors
                if e.attr is not None or error_response.type == "validation_error"
            ]
        )
        return {
            "type": f"{PROBLEM_TYPE}{code}",
            "title": code.replace("_", " ").capitalize(),
            "status": getattr(self.exc, "status_code", 500),
            "code": code,
            "detail": _summary(entries) or str(errors[0].detail),
            "errors": entries,
            "request_id": request_id.get(),
        }


def _pointer(attr: str | None) -> str:
    return "/" if attr in (None, "", "non_field_errors") else "/" + attr.replace(".", "/")


def _summary(entries: list[dict[str, str]]) -> str:
    if not entries:
        return ""
    more = f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
    return f"{entries[0]['pointer']}: {entries[0]['detail']}{more}"


class ProblemHandler(ExceptionHandler):
    """Says so when the database is away instead of failing in words of its driver."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, OperationalError):
            return Unavailable()
        return super().convert_known_exceptions(exc)


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error answer is application/problem+json."""
    handler = ProblemHandler(exc, context)
    response = handler.run()
    if response is not None:
        converted = handler.convert_known_exceptions(exc)
        response.data = ProblemFormatter(converted, context, exc).run() if isinstance(
            converted, APIException
        ) else response.data  # fmt: skip
        response.content_type = "application/problem+json"
    return response
