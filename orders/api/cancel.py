"""Cancels an order, some of its lines or some units of them over REST."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import Problems, idempotent
from config.payload import Items, Strict, Units
from orders import cancellation
from orders.api.orders import OneOrder
from orders.keys import channel_of
from orders.payload import MAX_LINES, MAX_QUANTITY, Flag

REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]


class CancelLine(Strict):
    """Units of what the customer bought at a position; of a bundle, whole bundles."""

    line = Units(min_value=1, max_value=2**31 - 1, help_text="its position")
    quantity = Units(min_value=1, max_value=MAX_QUANTITY)


class CancelPayload(Strict):
    """What is canceled, and why; without lines, every unit that has not left."""

    reason = serializers.CharField(
        max_length=200, default="customer",
        help_text=f"{', '.join(cancellation.REASONS)}; any other text is kept as the note",
    )  # fmt: skip
    note = serializers.CharField(max_length=200, default="", allow_blank=True)
    lines = Items(child=CancelLine(), required=False, min_length=1, max_length=MAX_LINES)
    partial = Flag(  # type: ignore[assignment]  # fields are taken off the class, no clash
        default=False, help_text="cancel what is possible instead of all or nothing"
    )

    def validate_lines(self, lines: list[dict[str, int]]) -> list[dict[str, int]]:
        """Each position once."""
        known: set[int] = set()
        for line in lines:
            if line["line"] in known:
                raise serializers.ValidationError(f"line {line['line']} stands twice", "twice")
            known.add(line["line"])
        return lines


class KeptUnits(serializers.Serializer):
    """Units that were not canceled, and why."""

    line = serializers.IntegerField()
    quantity = serializers.IntegerField()
    code = serializers.ChoiceField(["left", "too_late", "asked", "canceled"])
    detail = serializers.CharField()


class CanceledAnswer(serializers.Serializer):
    """Units that are canceled, units that a warehouse was asked to let go, and units kept."""

    number = serializers.CharField()
    canceled_units = serializers.IntegerField()
    requested_units = serializers.IntegerField()
    kept = KeptUnits(many=True)


class CancelView(OneOrder):
    """Cancels units that have not left yet, as long as the channel's cut-off allows it.

    What a warehouse's own system has already is asked for: it is canceled when the warehouse
    agrees (`order.canceled`), or goes on (`cancel.refused`).
    """

    @extend_schema(request=CancelPayload, responses=CanceledAnswer, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        payload = CancelPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        wanted = payload.validated_data
        reason, note = _reason(wanted["reason"], wanted["note"])
        lines = wanted.get("lines")
        positions = None if lines is None else {row["line"]: row["quantity"] for row in lines}

        def effect() -> tuple[int, dict[str, Any]]:
            done = cancellation.cancel(
                order_id=order.pk, reason=reason, note=note, actor=channel_of(request).code,
                by="channel", positions=positions, partial=wanted["partial"],
            )  # fmt: skip
            return status.HTTP_200_OK, _answer(order.number, done)

        with _problems(positions or {}):
            return idempotent(request, effect)


def _reason(text: str, note: str) -> tuple[str, str]:
    if text in cancellation.REASONS:
        return text, note
    return "other", f"{text}; {note}" if note else text


def _answer(number: str, done: cancellation.Canceled) -> dict[str, Any]:
    return {
        "number": number, "canceled_units": done.units, "requested_units": done.requested,
        "kept": [
            {"line": k.position, "quantity": k.units, "code": k.code, "detail": _detail(k)}
            for k in done.kept
        ],
    }  # fmt: skip


def _detail(kept: cancellation.Kept) -> str:
    return f"{kept.units} {kept.why}"


@contextmanager
def _problems(positions: Mapping[int, int]) -> Iterator[None]:
    """Domain exceptions as problem answers that point at the lines of the body."""
    at = list(positions)
    try:
        yield
    except cancellation.UnknownLine as error:
        row = (f"/lines/{at.index(error.line)}/line", "unknown_line", str(error))
        raise Problems("invalid", [row], status_code=400) from error
    except cancellation.CannotCancel as error:
        rows = _rows(error, at) or [("/", error.code, str(error))]
        raise Problems(error.code, rows, status_code=409) from error


def _rows(error: cancellation.CannotCancel, at: Sequence[int]) -> list[tuple[str, str, str]]:
    return [
        (f"/lines/{at.index(k.position)}" if k.position in at else "/", k.code,
         f"line {k.position}: {_detail(k)}")
        for k in error.kept
    ]  # fmt: skip
