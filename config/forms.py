"""A console page with one form: what every action that needs an answer shows first."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.widgets import (
    BASE_INPUT_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

__all__ = [
    "BASE_INPUT_CLASSES",
    "Choice",
    "Form",
    "LongText",
    "Moment",
    "Number",
    "Secret",
    "Several",
    "Text",
    "UploadForm",
    "ask",
]


class Form(forms.Form):
    """A form whose widgets look like the console."""


class UploadForm(Form):
    """A file; everything else the form asks becomes the job's params."""

    file = forms.FileField(help_text="CSV or XLSX; you see what would happen before it does")

    def clean_file(self) -> object:
        file = self.cleaned_data["file"]
        if file.size > settings.UPLOAD_MAX_BYTES:
            limit = settings.UPLOAD_MAX_BYTES // 1024 // 1024
            raise forms.ValidationError(f"The file is larger than {limit} MB; split it.")
        return file


def Text(**options: Any) -> forms.CharField:
    """One line of text."""
    return forms.CharField(widget=UnfoldAdminTextInputWidget(), **options)


def LongText(**options: Any) -> forms.CharField:
    """Several lines of text."""
    return forms.CharField(widget=UnfoldAdminTextareaWidget(), **options)


def Number(**options: Any) -> forms.IntegerField:
    """A whole number."""
    return forms.IntegerField(
        widget=forms.NumberInput(attrs={"class": " ".join(BASE_INPUT_CLASSES)}), **options
    )


def Secret(**options: Any) -> forms.CharField:
    """A password: never shown again, and not what a browser keeps for this site."""
    attrs = {"class": " ".join(BASE_INPUT_CLASSES), "autocomplete": "new-password"}
    return forms.CharField(widget=forms.PasswordInput(attrs=attrs), strip=False, **options)


def Several(**options: Any) -> forms.MultipleChoiceField:
    """Some of a few."""
    return forms.MultipleChoiceField(widget=UnfoldAdminCheckboxSelectMultipleWidget(), **options)


def Moment(**options: Any) -> forms.DateTimeField:
    """A day and time, in UTC."""
    attrs = {"type": "datetime-local", "class": " ".join(BASE_INPUT_CLASSES)}
    return forms.DateTimeField(widget=forms.DateTimeInput(attrs=attrs), **options)


def Choice(**options: Any) -> forms.ChoiceField:
    """One of a few."""
    return forms.ChoiceField(widget=UnfoldAdminSelectWidget(), **options)


def ask(
    request: HttpRequest,
    *,
    site: AdminSite,
    title: str,
    form: type[forms.Form],
    effect: Callable[[dict], str | HttpResponse],
    back: str,
    submit: str,
    text: str = "",
    danger: bool = False,
    errors: tuple[type[Exception], ...] = (),
) -> HttpResponse:
    """Show the form; on a valid POST run `effect(cleaned data)`, say its words and go `back`.

    An effect that leads elsewhere returns its own response instead of words.
    Exceptions of the types in `errors` are shown as words on the form; nothing else is caught.
    """
    filled = form(request.POST, request.FILES) if request.method == "POST" else form()
    if filled.is_valid():
        try:
            answer = effect(filled.cleaned_data)
        except errors as error:
            filled.add_error(None, str(error))
        else:
            if isinstance(answer, HttpResponse):
                return answer
            messages.success(request, answer)
            return HttpResponseRedirect(back)
    context = {
        **site.each_context(request), "title": title, "form": filled, "text": text,
        "submit": submit, "back": back, "danger": danger,
    }  # fmt: skip
    return TemplateResponse(request, "admin/form_page.html", context)
