"""A channel's checks as fields that people can read; stored as SalesChannel.checks."""

from typing import Any

from django import forms as django_forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from unfold.widgets import UnfoldBooleanSwitchWidget

from config import forms
from orders.models import SalesChannel
from orders.money import is_country
from orders.validation.params import Choice, Countries, Flag, Number, Param, Word
from orders.validation.table import CHECKS, OFF, OUTCOMES, as_before, read


def field_name(check: str, param: str) -> str:
    """What the form calls a parameter of a check."""
    return f"check_{check}_{param}"


class CountryCodes(django_forms.CharField):
    """Codes with blanks or commas between them; a list."""

    def to_python(self, value: Any) -> Any:
        codes = str(value or "").replace(",", " ").upper().split()
        for code in codes:
            if not is_country(code):
                raise ValidationError(f"{code} is not the code of a country, such as FR.")
        return sorted(set(codes))

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list | tuple) else value


def _field(param: Param) -> django_forms.Field:
    words: dict[str, Any] = {
        "label": param.label, "help_text": param.help, "initial": param.default, "required": False,
    }  # fmt: skip
    if isinstance(param, Number):
        return forms.Number(min_value=param.least, max_value=param.most, **words)
    if isinstance(param, Flag):
        return django_forms.BooleanField(widget=UnfoldBooleanSwitchWidget(), **words)
    if isinstance(param, Choice):
        return forms.Choice(choices=param.choices, **words | {"required": True})
    if isinstance(param, Countries):
        return CountryCodes(widget=forms.Text().widget, **words)
    assert isinstance(param, Word)
    return forms.Text(max_length=100, **words)


def _fields() -> dict[str, django_forms.Field]:
    fields: dict[str, django_forms.Field] = {}
    for name, check in CHECKS.items():
        fields[field_name(name, "outcome")] = forms.Choice(
            label="What follows", choices=list(OUTCOMES.items()), initial=check.default
        )
        for param in check.params:
            fields[field_name(name, param.name)] = _field(param)
    return fields


class ChecksForm(ModelForm):
    """The part of a channel's form that reads and writes its checks."""

    class Meta:
        model = SalesChannel
        exclude = ("checks",)  # noqa: DJ006  (everything else of a channel is for whoever may)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, values in read(self.instance).items():
            for param, value in values.items():
                self.initial.setdefault(field_name(name, param), value)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors:
            self.instance.checks = as_before({name: self._given(data, name) for name in CHECKS})
        return data

    def _given(self, data: dict[str, Any], name: str) -> dict[str, Any]:
        given = {"outcome": data[field_name(name, "outcome")]}
        if given["outcome"] == OFF:
            return given
        for param in CHECKS[name].params:
            value = data[field_name(name, param.name)]
            given[param.name] = param.default if value is None else value
        self._agree(name, given)
        return given

    def _agree(self, name: str, given: dict[str, Any]) -> None:
        if name == "fraud" and given["refuse_at"] < given["hold_at"]:
            self.add_error(
                field_name(name, "refuse_at"), "Must not be lower than the risk that holds."
            )


FIELDS = _fields()
ChecksForm.declared_fields.update(FIELDS)
FIELDSETS = tuple(
    (
        f"Checks: {check.title}",
        {
            "fields": tuple(
                field_name(name, param) for param in ("outcome", *(p.name for p in check.params))
            ),
            "description": check.help,
        },
    )
    for name, check in CHECKS.items()
)
