"""One change to many orders, as a watched job: shown first, then made order by order.

Which orders it is about travels as the list's own query, never as a list of a million ids. They are
written down when the job is checked, so what a person accepts is what happens. Each order has a
transaction and an answer of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.sites import site
from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.db.models import QuerySet

from config import forms, jobs, outbox
from config.models import Job, JobRow
from config.saved_views import narrowed
from config.status import IllegalMove, MovedMeanwhile
from orders import cancellation, holds, notes, validation
from orders.models import Allocation, Hold, Order

O = JobRow.Outcome  # noqa: E741
KIND = "orders-bulk"
READ_AHEAD = 1_000
MOST_ORDERS = 100_000  # of one job
Answer = tuple[str, str]  # outcome of a row, and in words


@dataclass(frozen=True)
class Deed:
    """What is done to each order: `words` of the preview, `form` asks what must be known first.

    `fits` tells of an order as the list reads it why nothing would be done, "" when something
    would. `do` gets the order's id, the job's params and the job.
    """

    title: str
    words: str
    do: Callable[[int, Mapping[str, Any], Job], Answer]
    fits: Callable[[Order], str] = lambda order: ""
    form: type[forms.Form] = forms.Form
    undone_by: str = ""
    offered: bool = True
    danger: bool = False
    errors: tuple[type[Exception], ...] = (IllegalMove, MovedMeanwhile, holds.OrderEnded)


# --- what may be done ----------------------------------------------------------------------------


class HoldForm(forms.Form):
    """Why the orders are to wait."""

    reason = forms.Text(max_length=300)


class CancelForm(forms.Form):
    """Why the orders are canceled."""

    reason = forms.Choice(choices=list(cancellation.REASONS.items()))
    note = forms.Text(max_length=200, required=False)


class TagForm(forms.Form):
    """Which tag."""

    tag = forms.Text(max_length=60)

    def clean_tag(self) -> str:
        return notes.clean_tag(self.cleaned_data["tag"])


def _open(order: Order) -> str:
    return "" if order.state == Order.State.OPEN else f"is {order.get_state_display()}"


def _held(order: Order) -> str:
    return "" if order.held else "nothing holds it"  # type: ignore[attr-defined]


def _waits(order: Order) -> str:
    queued = Allocation.State.QUEUED in order.slice_states  # type: ignore[attr-defined]
    return "" if queued else "no unit waits for a stock point"


def _hold(order: int, params: Mapping[str, Any], job: Job) -> Answer:
    placed = holds.place(
        order_id=order, type=Hold.Type.MANUAL, handle=f"job:{job.pk}", reason=params["reason"],
        actor=_actor(job),
    )  # fmt: skip
    return O.CHANGED, f"held: {placed.reason}"


def _resolve(order: int, params: Mapping[str, Any], job: Job) -> Answer:
    waiting = Hold.objects.filter(order_id=order, state=Hold.State.OPEN).order_by("id")
    if undone := params.get("undoes"):
        waiting = waiting.filter(handle=f"job:{undone}")
    found = list(waiting)
    for hold in found:
        holds.resolve(hold_id=hold.pk, actor=_actor(job), user=job.created_by)
    if not found:
        return O.SAME, "nothing holds it any more"
    return O.CHANGED, "resolved: " + "; ".join(str(hold) for hold in found)


def _cancel(order: int, params: Mapping[str, Any], job: Job) -> Answer:
    done = cancellation.cancel(
        order_id=order, reason=params["reason"], note=params.get("note", ""), actor=_actor(job),
        by="staff",
    )  # fmt: skip
    asked = f", {done.requested} asked of the warehouse" if done.requested else ""
    return O.CHANGED, f"{done.units} units canceled{asked}"


def _route(order: int, params: Mapping[str, Any], job: Job) -> Answer:
    outbox.put(topic="route", subject=order, cause=f"job:{job.pk}", payload={"event": "manual"})
    return O.CHANGED, "is being routed"


def _tag(order: int, params: Mapping[str, Any], job: Job) -> Answer:
    if notes.change_tags(order_id=order, add=[params["tag"]], actor=_actor(job)):
        return O.CHANGED, f"tagged {params['tag']}"
    return O.SAME, f"was tagged {params['tag']} before"


def _untag(order: int, params: Mapping[str, Any], job: Job) -> Answer:
    if notes.change_tags(order_id=order, remove=[params["tag"]], actor=_actor(job)):
        return O.CHANGED, f"no longer tagged {params['tag']}"
    return O.SAME, f"was not tagged {params['tag']} any more"


def _check_again(order: int, params: Mapping[str, Any], job: Job) -> Answer:
    verdict = validation.rerun(order, actor=_actor(job))
    found = "; ".join(finding.words for finding in verdict.findings)
    return O.CHANGED, f"found: {found}" if found else "nothing found"


DEEDS: dict[str, Deed] = {
    "hold": Deed("Hold", "would be held", _hold, _open, HoldForm, undone_by="unhold"),
    "resolve": Deed("Resolve holds", "every hold of it would be resolved", _resolve, _held,
                    errors=(IllegalMove, MovedMeanwhile, holds.MayNotResolve)),
    "route": Deed("Route now", "would be routed now", _route, _waits),
    "tag": Deed("Add a tag", "would be tagged", _tag, form=TagForm, undone_by="untag"),
    "check": Deed("Check again", "would be checked again", _check_again, _open),
    "cancel": Deed("Cancel", "every unit that has not left would be canceled", _cancel, _open,
                   CancelForm, danger=True,
                   errors=(IllegalMove, MovedMeanwhile, cancellation.CannotCancel)),
    "unhold": Deed("Resolve what was held", "would be let go again", _resolve, offered=False),
    "untag": Deed("Remove the tag", "would lose the tag again", _untag, offered=False),
}  # fmt: skip


# --- the job -------------------------------------------------------------------------------------


def begin(deed: str, *, query: str, ids: Sequence[int], data: Mapping[str, Any], user: Any) -> Job:
    """Have a deed checked for the orders of a list's query, or for those picked from it by hand."""
    params = {**data, "deed": deed, "query": query, "ids": list(ids)}
    if DEEDS[deed].undone_by:
        params["undo"] = DEEDS[deed].undone_by
    what = f": {data['tag']}" if "tag" in data else ""
    return jobs.begin(kind=KIND, title=f"{DEEDS[deed].title}{what}", params=params, user=user)


def undo(job: Job, user: Any) -> Job:
    """Begin the job that takes back what this one changed, and only that."""
    kept = {name: value for name, value in job.params.items() if name in {"tag", "reason"}}
    params = {**kept, "deed": job.params["undo"], "undoes": job.pk}
    return jobs.begin(kind=KIND, title=f"Undo: {job.title}", params=params, user=user)


def selected(params: Mapping[str, Any], user: Any) -> QuerySet[Order]:
    """The orders that a list's query or a person's pick names, as the list reads them.

    Raises IncorrectLookupParameters or SuspiciousOperation for a query that does not fit the list.
    """
    rows = narrowed(site.get_model_admin(Order), params["query"], user=user)
    return rows.filter(pk__in=params["ids"]) if params["ids"] else rows


def check(job: Job) -> Iterator[JobRow]:
    """Write down which orders it is about, and which of them would stay as they are."""
    deed = DEEDS[job.params["deed"]]
    if "undoes" in job.params:
        yield from _to_undo(job, deed)
        return
    try:
        orders = selected(job.params, job.created_by).order_by("-pk")[: MOST_ORDERS + 1]
    except (IncorrectLookupParameters, SuspiciousOperation) as error:
        raise jobs.FileProblem("The list can no longer be narrowed like that.") from error
    for number, order in enumerate(orders.iterator(READ_AHEAD), start=1):
        if number > MOST_ORDERS:
            raise jobs.FileProblem(f"That is more than {MOST_ORDERS:,} orders; narrow the list.")
        why_not = deed.fits(order)
        yield JobRow(
            job=job, number=number, reference=order.number, data={"order": order.pk},
            outcome=O.FAILED if why_not else O.READY, message=why_not or deed.words,
        )  # fmt: skip


def _to_undo(job: Job, deed: Deed) -> Iterator[JobRow]:
    rows = JobRow.objects.filter(job_id=job.params["undoes"], outcome=O.CHANGED).order_by("number")
    for number, row in enumerate(rows.iterator(READ_AHEAD), start=1):
        yield JobRow(job=job, number=number, reference=row.reference, data=row.data,
                     outcome=O.READY, message=deed.words)  # fmt: skip


def apply(job: Job, rows: Sequence[JobRow]) -> None:
    """Do it to each order; one that cannot be changed says why, and stops no other."""
    deed = DEEDS[job.params["deed"]]
    for row in rows:
        try:
            with transaction.atomic():
                row.outcome, row.message = deed.do(row.data["order"], job.params, job)
        except deed.errors as error:
            row.outcome, row.message = O.FAILED, str(error)[:2000]


def _actor(job: Job) -> str:
    return job.created_by.get_username() if job.created_by else f"job {job.pk}"
