"""The page where a person says what the columns of an order file hold."""

from itertools import islice
from typing import Any

from django.contrib import messages
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from config import forms, jobs, tables
from config.jobs import FileProblem, opened
from config.models import Job
from config.status import IllegalMove, MovedMeanwhile
from orders.connectors.base import shown
from orders.models import ColumnMapping, SalesChannel
from orders.money import is_country, is_currency
from orders.order_files import mapping
from orders.order_files.fields import CHOICES, FIELDS, LINE, ORDER

SHOWN = 3  # rows of the file
NONE = ""


def columns_page(request: HttpRequest, job: Job, site: AdminSite) -> HttpResponse:
    """Columns and first rows of the file, with a select for each of our fields."""
    try:
        header, rows = _beginning(job)
    except FileProblem as problem:
        jobs.discard(job)
        messages.error(request, f"{job.title} was discarded. {problem}")
        return redirect("admin:config_job_changelist")
    form_class = _form(header)
    form = form_class(request.POST) if request.method == "POST" else form_class()
    if form.is_valid():
        try:
            _save(job, form.cleaned_data, request)
        except IntegrityError:
            form.add_error("name", "Columns of this channel's files have this name already.")
        except (IllegalMove, MovedMeanwhile) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{job.title} is being checked; see what it would do.")
            return redirect("admin:config_job_change", job.pk)
    context = {
        **site.each_context(request), "title": "What do its columns hold?", "form": form,
        "header": header, "rows": rows, "submit": "Keep this and check the file",
        "back": reverse("admin:config_job_change", args=[job.pk]),
        "text": f"{job.title}. Only order number, SKU, quantity, price and where it goes to are"
                " needed; leave out what the file does not say.",
        "groups": [
            ("These columns", [form["name"]]),
            ("Lines", [form[field.name] for field in LINE]),
            ("Orders", [form[field.name] for field in ORDER]),
            ("All orders of such files", [form["usual_currency"], form["usual_country"]]
             + [form[choice.name] for choice in CHOICES]),
        ],
    }  # fmt: skip
    return TemplateResponse(request, "admin/order_columns.html", context)


def _beginning(job: Job) -> tuple[list[str], list[list[str]]]:
    """The columns that have a name, and the first rows. Raises FileProblem."""
    with opened(job) as stream:
        rows = list(islice(tables.read(stream, columns=()), SHOWN))
    if not rows:
        raise FileProblem("The file has no rows below its first one.")
    header = [name for name in rows[0].cells if name]
    if not header:
        raise FileProblem("Its first row names no columns.")
    return header, [[shown(row.cells.get(name), 40) for name in header] for row in rows]


class _ColumnsForm(forms.Form):
    """What does not depend on the file."""

    name = forms.Text(max_length=60, help_text="how you find these columns for the next file")
    usual_currency = forms.Text(
        label="Currency", max_length=3, required=False,
        help_text="where no column says it; empty: the channel's",
    )  # fmt: skip
    usual_country = forms.Text(
        label="Country", max_length=2, required=False, help_text="where no column says it, e.g. FR"
    )

    def clean_usual_currency(self) -> str:
        code: str = self.cleaned_data["usual_currency"].strip().upper()
        if code and not is_currency(code):
            raise ValidationError("This is not an ISO 4217 code such as EUR.")
        return code

    def clean_usual_country(self) -> str:
        code: str = self.cleaned_data["usual_country"].strip().upper()
        if code and not is_country(code):
            raise ValidationError("This is not an ISO 3166 code such as FR.")
        return code

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        chosen = {name: data.get(name, NONE) for name in FIELDS}
        for name, words in mapping.problems(chosen).items():
            self.add_error(name, f"A column {words}.")
        return data


def _form(header: list[str]) -> type[_ColumnsForm]:
    """The form for this file: a select of its columns for each field, the likely one chosen."""
    likely = mapping.guess(header)
    columns = [(NONE, "not in the file"), *((name, name) for name in header)]
    fields: dict[str, Any] = {
        name: forms.Choice(label=field.label, choices=columns, required=False,
                           initial=likely.get(name, NONE))
        for name, field in FIELDS.items()
    }  # fmt: skip
    fields |= {
        choice.name: forms.Choice(label=choice.label, choices=choice.values) for choice in CHOICES
    }
    return type("ColumnsForm", (_ColumnsForm,), fields)


def _save(job: Job, data: dict[str, Any], request: HttpRequest) -> None:
    said = {choice.name: data[choice.name] for choice in CHOICES}
    said |= {"currency": data["usual_currency"], "country": data["usual_country"]}
    with transaction.atomic():
        row = ColumnMapping.objects.create(
            channel=SalesChannel.objects.get(code=job.params["channel"]), name=data["name"],
            columns={name: data[name] for name in FIELDS if data[name]},
            defaults={name: value for name, value in said.items() if value},
            created_by=request.user.get_username(),
        )  # fmt: skip
        jobs.answer(job, params={**job.params, "mapping": row.pk})
