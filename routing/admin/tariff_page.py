"""A service's tariff as a grid of prices: distances down, weights across; and as a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse

from config import forms
from config.exports import csv_response
from config.jobs import FileProblem
from orders import services
from orders.models import DeliveryService
from routing import tariffs

NEW = 1  # an empty row and an empty column are for more
MOST = 60  # rows or columns of the grid


@dataclass
class Grid:
    """Prices as they are typed; `errors` by the name of the field."""

    kms: list[str]
    grams: list[str]
    prices: dict[tuple[int, int], str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """For the template: each row with its cells."""
        return [
            {
                "name": f"km_{i}", "value": km, "error": self.errors.get(f"km_{i}", ""),
                "cells": [
                    {
                        "name": f"price_{i}_{j}", "value": self.prices.get((i, j), ""),
                        "error": self.errors.get(f"price_{i}_{j}", ""),
                        "words": f"up to {km or '?'} km and {grams or '?'} g",
                    }
                    for j, grams in enumerate(self.grams)
                ],
            }
            for i, km in enumerate(self.kms)
        ]  # fmt: skip

    def heads(self) -> list[dict[str, str]]:
        """For the template: the weights."""
        return [
            {"name": f"g_{j}", "value": grams, "error": self.errors.get(f"g_{j}", "")}
            for j, grams in enumerate(self.grams)
        ]


def page(request: HttpRequest, service: DeliveryService, site: AdminSite) -> HttpResponse:
    """Show the grid; on a POST replace the tariff by it, or say at each field what is wrong."""
    grid = _stored(service)
    if request.method == "POST":
        grid = _typed(request.POST)
        prices = _check(grid)
        if not grid.errors and not prices:
            grid.errors["km_0"] = "A tariff needs at least one price."
        if not grid.errors:
            _replace(request, service, prices)
            return HttpResponseRedirect(request.path)
    context = {
        **site.each_context(request), "title": f"Tariff of {service}", "grid": grid,
        "service": service, "back": page_of(service),
    }  # fmt: skip
    return TemplateResponse(request, "routing/tariff.html", context)


def upload(request: HttpRequest, service: DeliveryService, site: AdminSite) -> HttpResponse:
    """Replace the tariff by a file's."""

    def effect(data: dict[str, Any]) -> HttpResponse:
        _replace(request, service, tariffs.read(data["file"]))
        return HttpResponseRedirect(_address(service, "tariff"))

    return forms.ask(
        request, site=site, title=f"Tariff of {service} from a file", form=_File, effect=effect,
        back=_address(service, "tariff"), submit="Replace the tariff",
        errors=(tariffs.BadTariff, FileProblem),
        text="CSV or XLSX with the columns up_to_km, up_to_g and price. It takes the place of all"
        " prices of the service; orders routed already keep theirs.",
    )  # fmt: skip


def download(service: DeliveryService) -> HttpResponseBase:
    """The tariff as a CSV file, as upload() reads it."""
    bands = service.bands.order_by("max_km", "max_g")  # type: ignore[attr-defined]
    rows = bands.values_list("max_km", "max_g", "price")
    return csv_response(f"tariff-{service.code}.csv", tariffs.COLUMNS, rows)


def page_of(service: DeliveryService) -> str:
    """The address of a service's page."""
    return reverse("admin:orders_deliveryservice_change", args=[service.pk])


class _File(forms.UploadForm):
    """The file, which counts at once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].help_text = "CSV or XLSX"


def _address(service: DeliveryService, name: str) -> str:
    return reverse(f"admin:orders_deliveryservice_{name}", args=[service.pk])


def _replace(request: HttpRequest, service: DeliveryService, prices: tariffs.Prices) -> None:
    changed = tariffs.replace(service, prices)
    services.forget()
    words = f"{changed} price{'s' * (changed != 1)} changed" if changed else "nothing changed"
    messages.success(request, f"Saved: {len(prices)} prices, {words}.")


def _stored(service: DeliveryService) -> Grid:
    bands = list(service.bands.all())  # type: ignore[attr-defined]
    kms = sorted({band.max_km for band in bands})
    grams = sorted({band.max_g for band in bands})
    grid = Grid([*map(str, kms), *[""] * NEW], [*map(str, grams), *[""] * NEW])
    for band in bands:
        grid.prices[kms.index(band.max_km), grams.index(band.max_g)] = str(band.price)
    return grid


def _typed(data: Mapping[str, Any]) -> Grid:
    def axis(letter: str) -> list[str]:
        names = [f"{letter}_{i}" for i in range(MOST)]
        return [str(data[name]).strip() for name in names if name in data]

    grid = Grid(axis("km"), axis("g"))
    for i in range(len(grid.kms)):
        for j in range(len(grid.grams)):
            if text := str(data.get(f"price_{i}_{j}", "")).strip():
                grid.prices[i, j] = text
    return grid


def _check(grid: Grid) -> dict[tuple[int, int], Any]:
    """The prices of the grid; what is wrong goes to its errors. An empty axis takes its line out.

    A price in the empty last row or column is asked for its distance or weight.
    """
    kms = _axis(grid, "km", grid.kms)
    grams = _axis(grid, "g", grid.grams)
    prices = {}
    for (i, j), text in grid.prices.items():
        try:
            amount = tariffs.price(text, i)
        except tariffs.BadTariff:
            grid.errors[f"price_{i}_{j}"] = "not an amount"
            continue
        if i == len(grid.kms) - 1 and not grid.kms[i]:
            grid.errors[f"km_{i}"] = "how far?"
        if j == len(grid.grams) - 1 and not grid.grams[j]:
            grid.errors[f"g_{j}"] = "how heavy?"
        if i in kms and j in grams:
            prices[kms[i], grams[j]] = amount
    return prices


def _axis(grid: Grid, letter: str, texts: list[str]) -> dict[int, int]:
    found: dict[int, int] = {}
    for i, text in enumerate(texts):
        if not text:
            continue
        try:
            number = tariffs.whole(text, letter, i)
        except tariffs.BadTariff:
            grid.errors[f"{letter}_{i}"] = "a whole number"
            continue
        if number in found.values():
            grid.errors[f"{letter}_{i}"] = "is there twice"
        found[i] = number
    return found
