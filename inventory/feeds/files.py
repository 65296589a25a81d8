"""Stock files that people upload: shown row by row, then taken when somebody accepts."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from config import forms
from config.jobs import FileProblem, opened
from config.models import Job, JobRow
from inventory.feeds import deliveries, rows
from inventory.feeds.batches import Delivery, refusal, see, take
from inventory.feeds.rows import Bad, Line
from inventory.ledger import Told, Verdict
from inventory.models import StockFeed, StockSource

READ_AHEAD = 1000
O = JobRow.Outcome  # noqa: E741
Mode = StockFeed.Mode


class UploadForm(forms.UploadForm):
    """The file, who it is from, what its figures are, and when they were true."""

    source = forms.Choice(required=False, help_text="the system that wrote the file")
    mode = forms.Choice(
        required=False,
        label="Figures",
        choices=[(Mode.ABSOLUTE, "levels: what is there"), (Mode.DELTA, "changes: +5, -2")],
        help_text="levels need a column quantity, changes a column change",
    )
    as_of = forms.Moment(
        required=False,
        label="True as of (UTC)",
        help_text="rows that were counted or changed since then are refused; empty: now",
    )
    reference = forms.Text(
        required=False,
        max_length=100,
        help_text="the sender's number of this delivery, which is taken once; empty: changes are"
        " known by the file's content",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        systems = StockSource.objects.filter(active=True).exclude(code=deliveries.PEOPLE)
        choices = [(deliveries.PEOPLE, "nobody's: a person wrote it")]
        choices += systems.values_list("code", "name")
        self.fields["source"].choices = choices  # type: ignore[attr-defined]

    def clean_source(self) -> str:
        return self.cleaned_data["source"] or deliveries.PEOPLE

    def clean_mode(self) -> str:
        return self.cleaned_data["mode"] or Mode.ABSOLUTE

    def clean_reference(self) -> str:
        reference: str = self.cleaned_data["reference"].strip()
        if not reference.isprintable():
            raise ValidationError("Letters, digits and signs only.")
        return reference

    def clean_as_of(self) -> str:
        moment = self.cleaned_data["as_of"]
        if moment is None:
            return ""
        if moment > timezone.now():
            raise ValidationError("This is in the future.")
        return str(moment.isoformat())


# --- the job's delivery --------------------------------------------------------------------------


def _source(job: Job) -> StockSource:
    code = job.params.get("source") or deliveries.PEOPLE
    people = code == deliveries.PEOPLE
    return deliveries.people() if people else StockSource.objects.get(code=code)


def _mode(job: Job) -> str:
    return job.params.get("mode") or Mode.ABSOLUTE


def _as_of(job: Job) -> datetime | None:
    """Levels without a time of their own are of the moment the file came."""
    given = job.params.get("as_of")
    if given:
        return datetime.fromisoformat(given)
    return job.created_at if _mode(job) == Mode.ABSOLUTE else None


def _reference(job: Job) -> str:
    """Changes are taken once, so their content names them; the same levels may come every day."""
    named: str = job.params.get("reference", "")
    return named or (f"{job.digest[:32]} {job.pk}" if _mode(job) == Mode.ABSOLUTE else job.digest)


def _feed(job: Job) -> StockFeed:
    """The job's delivery, begun with its first batch. Raises AlreadyLoaded."""
    feed = StockFeed.objects.select_related("source").filter(job=job).first()
    if feed:
        return feed
    feed = deliveries.opened(
        _source(job), _reference(job), mode=_mode(job), as_of=_as_of(job), actor=f"job {job.pk}",
        job=job, received_at=job.created_at,
    )  # fmt: skip
    if feed.job_id != job.pk:
        raise deliveries.AlreadyLoaded(feed)
    return feed


# --- check ---------------------------------------------------------------------------------------


def check(job: Job) -> Iterator[JobRow]:
    """Read the file and say of each row what would change, or why it cannot."""
    source, mode = _source(job), _mode(job)
    before = StockFeed.objects.filter(source=source, reference=_reference(job)).first()
    if before:
        raise FileProblem(f"{deliveries.AlreadyLoaded(before)}; nothing of it is used again.")
    delivery = Delivery(
        mode == Mode.ABSOLUTE, _as_of(job), f"job {job.pk}",
        facts=source.system == StockSource.System.TILL,
    )  # fmt: skip
    with opened(job) as stream:
        found = rows.read(stream, mode=mode, now=timezone.now())
        while batch := list(islice(found, READ_AHEAD)):
            yield from _seen(job, delivery, batch)


def _seen(job: Job, delivery: Delivery, batch: Sequence[Line | Bad]) -> Iterator[JobRow]:
    lines = [row for row in batch if isinstance(row, Line)]
    for bad in batch:
        if isinstance(bad, Bad):
            yield JobRow(job=job, number=bad.number, reference=bad.reference, outcome=O.FAILED,
                         column=bad.column, message=bad.words)  # fmt: skip
    for verdict, line in zip(see(delivery, lines), lines, strict=True):
        row = JobRow(job=job, number=line.number, reference=line.told.sku[:100], data=_data(line))
        _settle(row, verdict, line, absolute=delivery.absolute)
        if row.outcome == O.CHANGED or (line.unavailable and row.outcome == O.SAME):
            row.outcome = O.READY
        yield row


def _settle(row: JobRow, verdict: Verdict, line: Line, *, absolute: bool) -> None:
    """Write down what became of a row, or would."""
    if verdict.state == "same":
        row.outcome, row.message = O.SAME, f"{verdict.after} already"
    elif verdict.state == "changed":
        row.outcome, row.message = O.CHANGED, _in_words(verdict, line, absolute)
    else:
        row.outcome = O.FAILED
        row.column, row.message = refusal(verdict, line)


def _in_words(verdict: Verdict, line: Line, absolute: bool) -> str:
    words = f"{verdict.before} → {verdict.after} at {line.told.location}"
    left = line.told.units - (verdict.after or 0) if absolute else 0
    return f"{words}: {line.told.units}, less {left} that left since" if left else words


# --- apply ---------------------------------------------------------------------------------------


def apply(job: Job, batch: Sequence[JobRow]) -> None:
    """Take accepted rows; what the preview found to be the same counts as told, too.

    A row is judged again: what was counted or changed since its time is not overwritten.
    """
    try:
        feed = _feed(job)
    except deliveries.AlreadyLoaded as known:
        for row in batch:
            row.outcome, row.column, row.message = O.FAILED, "", str(known)
        return
    lines = [_line(row) for row in batch]
    delivery = Delivery.of(feed)
    verdicts = take(delivery, lines)
    for row, line, verdict in zip(batch, lines, verdicts, strict=True):
        _settle(row, verdict, line, absolute=delivery.absolute)
        row.data = {} if row.outcome == O.SAME else row.data  # taken: it does not come again
    deliveries.book(feed, verdicts)


def finish(job: Job) -> None:
    """The delivery is over: rows that the preview refused are counted on it."""
    try:
        feed = _feed(job)
    except deliveries.AlreadyLoaded:
        return
    deliveries.book(feed, [], bad=max(job.total - feed.rows, 0), last=True)


def _data(line: Line) -> dict[str, Any]:
    told = line.told
    data: dict[str, Any] = {"sku": told.sku, "location": told.location, "units": told.units}
    if told.as_of:
        data["as_of"] = told.as_of.isoformat()
    if told.reason or told.note:
        data |= {"reason": told.reason, "note": told.note}
    if line.unavailable:
        data["unavailable"] = line.unavailable
    return data


def _line(row: JobRow) -> Line:
    data = row.data
    as_of = datetime.fromisoformat(data["as_of"]) if "as_of" in data else None
    told = Told(data["sku"], data["location"], data["units"], as_of, data.get("reason", ""),
                data.get("note", ""))  # fmt: skip
    return Line(row.number, told, data.get("unavailable", {}))
