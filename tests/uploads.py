"""Files as people upload them to the console, and what becomes of the job."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from openpyxl import Workbook

from config import outbox
from config.models import Job, JobRow, OutboxRow

SAMPLES = Path(__file__).parent / "samples"
JOBS = "/admin/config/job/"


def post(client, kind: str, content: bytes, name: str = "levels.csv", **fields: str):
    """Send a file through the console's form."""
    file = SimpleUploadedFile(name, content)
    return client.post(f"{JOBS}upload-{kind}/", {"file": file, **fields})


def upload(client, kind: str, content: bytes, name: str = "levels.csv", **fields: str) -> Job:
    """Upload a file and let a worker check it."""
    answer = post(client, kind, content, name, **fields)
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    work()
    return Job.objects.latest("pk")


def decide(client, job: Job, verb: str = "apply") -> Job:
    """Accept (or discard) what the preview shows and let a worker do it."""
    answer = client.post(f"{JOBS}{job.pk}/{verb}/")
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    work()
    job.refresh_from_db()
    return job


def work() -> int:
    """Do the imports' work that is due, also what waits for its next attempt."""
    long_ago = timezone.now() - timedelta(hours=1)  # the clock of a test's transaction stands
    OutboxRow.objects.filter(topic="import", done_at=None).update(next_at=long_ago)
    return outbox.drain("import", seconds=60)


def page(client, job: Job) -> str:
    """The job's page as a person sees it."""
    answer = client.get(f"{JOBS}{job.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def outcomes(job: Job) -> dict[int, tuple[str, str, str]]:
    """{row: (outcome, column, message)}."""
    rows = JobRow.objects.filter(job=job).values_list("number", "outcome", "column", "message")
    return {number: (outcome, column, words) for number, outcome, column, words in rows}


def csv(*rows: Sequence[Any], header: str = "sku,location,quantity") -> bytes:
    """A plain CSV file."""
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]).encode()


def xlsx(*rows: Iterable[Any], header: Sequence[str] = ("sku", "location", "quantity")) -> bytes:
    """A plain workbook."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(header)
    for row in rows:
        sheet.append(row)
    return saved(book)


def saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def repacked(workbook: bytes, **members: bytes) -> bytes:
    """A workbook with members of its archive replaced or added; `__` in a name stands for `/`."""
    changed = {name.replace("__", "/"): content for name, content in members.items()}
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            if member.filename not in changed:
                new.writestr(member, old.read(member))
        for name, content in changed.items():
            new.writestr(name, content)
    return out.getvalue()


def open_rows() -> int:
    """Rows of jobs that still hold what the file said."""
    return JobRow.objects.exclude(data={}).count()
