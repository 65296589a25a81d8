"""The page: every button sends the whole form, so that nothing is kept between two of them."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse

from orders.models import OrderContact, SalesChannel
from orders.phone import entry
from orders.phone.forms import MOST_LINES, Lines, PhoneOrder, channels, new_token


def page(request: HttpRequest, *, site: AdminSite, order_page: Any) -> HttpResponse:
    """Show the form, look up people and products for it, or place the order.

    `order_page(order)` is the address of an order's page.
    """
    if not channels():
        messages.warning(request, "No channel is active: orders belong to a channel.")
    given = _pressed(request) if request.method == "POST" else _fresh(request)
    do = request.POST.get("do", "")
    form, rows = PhoneOrder(given), Lines(given, prefix="line")
    fine = form.is_valid() & rows.is_valid()
    channel = _channel(form)
    filled = [row.cleaned_data if row.is_valid() else {} for row in rows]
    goods = entry.lines(filled, channel) if channel else []
    if do == "place" and fine and channel:
        try:
            order, new = entry.place(
                form.cleaned_data, goods, channel=channel, actor=request.user.get_username()
            )
        except entry.NotPlaced as error:
            _show(error, form, rows)
        else:
            said = "is placed" if new else "was placed already, with this very form"
            messages.success(request, f"{order} {said}.")
            return HttpResponseRedirect(order_page(order))
    person, product = given.get("person", ""), given.get("product", "")
    context = {
        **site.each_context(request), "title": "New order", "form": form, "rows": rows,
        "told": do == "place", "goods": {line.row: line for line in goods}, "person": person,
        "product": product,
        "people": entry.people(person) if do == "find_person" else None,
        "products": entry.products(product, channel) if channel and do == "find_product" else None,
        "sums": entry.sums(getattr(form, "cleaned_data", {}), goods, channel).words() if channel
        else None,
    }  # fmt: skip
    return TemplateResponse(request, "admin/orders/new_order.html", context)


def _channel(form: PhoneOrder) -> SalesChannel | None:
    code = form.cleaned_data.get("channel") or ""
    known = channels()
    return next((c for c in known if c.code == code), known[0] if known else None)


def _show(error: entry.NotPlaced, form: PhoneOrder, rows: Any) -> None:
    for one in error.problems:
        if one.row is not None:
            rows.forms[one.row].add_error(one.field, one.words)
        else:
            form.add_error(one.field if one.field in form.fields else None, one.words)


# --- what a button changes before the form is read -----------------------------------------------


def _fresh(request: HttpRequest) -> QueryDict:
    """An empty form; `?order=` begins with the customer of that order."""
    data = QueryDict(mutable=True)
    first = channels()
    data.update({
        "token": new_token(), "channel": first[0].code if first else "", "method": "ship",
        "service": "standard", "payment": "cash_on_delivery", "line-TOTAL_FORMS": "1",
        "line-INITIAL_FORMS": "0", "line-0-quantity": "1",
    })  # fmt: skip
    _take(data, request.GET.get("order", ""))
    return data


def _pressed(request: HttpRequest) -> QueryDict:
    data = request.POST.copy()
    for looked_for in ("person", "product"):
        data[looked_for] = data.get(looked_for, "").replace("\0", "").strip()[:200]
    verb, _, what = data.get("do", "").partition(":")
    if verb == "take":
        _take(data, what)
    elif verb == "add":
        _add(data, what)
    elif verb == "more":
        _add(data, "")
    return data


def _take(data: QueryDict, order: str) -> None:
    is_key = order.isdecimal() and len(order) < 19
    contact = OrderContact.objects.filter(pk=int(order)).first() if is_key else None
    for name, value in (entry.known(contact) if contact else {}).items():
        data[name] = value


def _add(data: QueryDict, sku: str) -> None:
    """Fill in the first empty row, or one more."""
    told = data.get("line-TOTAL_FORMS", "")
    count = min(int(told), MOST_LINES) if told.isdecimal() and len(told) < 9 else 0
    empty = (i for i in range(count) if not data.get(f"line-{i}-sku", "").strip())
    row = next(empty, count) if sku else count
    data["line-TOTAL_FORMS"] = str(max(count, row + 1))
    data[f"line-{row}-sku"] = sku
    data.setdefault(f"line-{row}-quantity", "1")
