"""The money of a Shopify order document: lines, shipping, taxes, duties, tips, and their sum.

Everything is read in the shop's currency (`shop_money`). Once lines were removed or refunded the
order as it is now is read: `current_quantity` and the `current_*` totals; a line's discount and
tax then shrink with its quantity.
"""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from orders.connectors import values
from orders.connectors.document import Place
from orders.connectors.shopify import LONGEST_NAME, ZERO
from orders.money import minor_unit, share


@dataclass(slots=True)
class Till:
    """Reads amounts of one currency. `clean` turns false as soon as one of them was unreadable."""

    currency: str
    clean: bool = True

    def read(self, holder: Place, key: str, *, required: bool = False) -> Decimal:
        """The amount under `key`: of its money set when there is one, else the plain field."""
        place = self._place(holder, key)
        if place.value is None and required:
            self._note(place, "is missing")
        return self.amount(place) or ZERO

    def read_if_any(self, holder: Place, key: str, *, signed: bool = False) -> Decimal | None:
        """Like `read`, and None when the document does not give this amount."""
        return self.amount(self._place(holder, key), signed=signed)

    def amount(self, place: Place, *, signed: bool = False) -> Decimal | None:
        """The amount that stands here, in whole minor units; None when there is none."""
        if place.value is None:
            return None
        found = values.amount(place.value)
        if found is None:
            self._note(place, "is not an amount of money")
        elif found < 0 and not signed:
            self._note(place, "is negative")
        elif found != found.quantize(minor_unit(self.currency)):
            self._note(place, f"is finer than the smallest unit of {self.currency}")
        else:
            return found
        return None

    def total(self, holders: list[Place], key: str) -> Decimal:
        """The sum of one amount over several places."""
        return sum((self.read(holder, key, required=True) for holder in holders), ZERO)

    def _place(self, holder: Place, key: str) -> Place:
        money = holder.at(f"{key}_set").at("shop_money")
        code = money.at("currency_code")
        if self.currency and code.value is not None and code.value != self.currency:
            self._note(code, f"is not the order's currency {self.currency}")
        return money.at("amount") if money.at("amount").value is not None else holder.at(key)

    def _note(self, place: Place, reason: str) -> None:
        place.note(reason)
        self.clean = False


@dataclass(slots=True)
class Line:
    """One line as it is now; amounts are for the whole line."""

    place: Place
    external_id: str
    sku: str
    name: str
    ordered: int
    quantity: int
    unit_price: Decimal = ZERO
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    duty: Decimal = ZERO
    duty_tax: Decimal = ZERO
    taxable: bool = True
    ships: bool = True

    @property
    def gross(self) -> Decimal:
        """What the units cost before discounts."""
        return self.quantity * self.unit_price


@dataclass(slots=True)
class Lines:
    """The lines still ordered, what is no line of ours, and whether anything was taken away."""

    kept: list[Line] = field(default_factory=list)
    tips: Decimal = ZERO
    removed: list[str] = field(default_factory=list)
    reduced: bool = False


def read_lines(order: Place, till: Till, *, known: bool = False) -> Lines:
    """Every line item; tips and removed lines are set apart. `known`: units may have been sent."""
    found = Lines()
    for place in order.at("line_items").each():
        if place.has("tip_payment_gateway"):
            found.tips += till.read(place, "price")
            continue
        line = _line(place, till)
        found.reduced |= line.quantity < line.ordered
        if line.quantity == 0 and line.ordered:
            found.removed.append(line.sku or line.external_id)
            continue
        _check(line, known=known)
        _shrink(line, till.currency)
        found.kept.append(line)
    if not found.kept:
        order.at("line_items").note(
            "every line was removed or refunded" if found.removed else "has no line to fulfill"
        )
    return found


def _line(place: Place, till: Till) -> Line:
    ordered = place.at("quantity").whole() or 0
    current = place.at("current_quantity").whole()
    duties = place.at("duties").each()
    name = place.at("name").text() or place.at("title").text()
    requires = place.at("requires_shipping")
    return Line(
        place=place,
        external_id=place.at("id").identifier(),
        sku=place.at("sku").text(),
        name=values.one_line(name)[:LONGEST_NAME],
        ordered=ordered,
        quantity=ordered if current is None else current,
        unit_price=till.read(place, "price", required=True),
        discount=_line_discount(place, till),
        tax=till.total(place.at("tax_lines").each(), "price"),
        duty=sum((_duty(duty, till) for duty in duties), ZERO),
        duty_tax=sum((till.total(d.at("tax_lines").each(), "price") for d in duties), ZERO),
        taxable=place.at("taxable").value is not False,
        ships=requires.value is None or requires.flag(),
    )


def _line_discount(place: Place, till: Till) -> Decimal:
    """Shopify spreads order-wide discounts over the lines itself and says so in the allocations.

    `total_discount` is 0.00 in that case; only old documents have nothing but it.
    """
    if place.has("discount_allocations"):
        return till.total(place.at("discount_allocations").each(), "amount")
    return till.read(place, "total_discount")


def _duty(duty: Place, till: Till) -> Decimal:
    found = till.read_if_any(duty, "price")
    if found is None:  # documents before price_set have the money right here
        found = till.amount(duty.at("shop_money").at("amount"))
    return found or ZERO


def _check(line: Line, *, known: bool) -> None:
    place = line.place
    if not line.quantity and not place.at("quantity").value:
        place.at("quantity").note("must be at least 1")
    if line.quantity > line.ordered > 0:
        place.at("current_quantity").note(f"is more than the {line.ordered} ordered")
    if not line.sku and isinstance(place.at("sku").value, str | None):
        place.at("sku").note(f"is empty: {_what(place)} cannot be found in the catalog without it")
    if line.ships and not known:
        _check_not_sent(line)


def _what(place: Place) -> str:
    if place.at("gift_card").value is True:
        return "a gift card"
    return "a custom line" if place.at("variant_id").value is None else "this item"


def _check_not_sent(line: Line) -> None:
    status = line.place.at("fulfillment_status")
    open_units = line.place.at("fulfillable_quantity").whole()
    if status.value in ("fulfilled", "partial"):
        status.note(
            "Shopify has already sent units of this line; importing it would send them again"
        )
    elif open_units is not None and open_units < line.quantity:
        line.place.at("fulfillable_quantity").note(
            f"only {open_units} of {line.quantity} units are open: others send the rest"
        )


def _shrink(line: Line, currency: str) -> None:
    if not line.quantity < line.ordered:
        return
    for name in ("discount", "tax", "duty", "duty_tax"):
        left = getattr(line, name) * line.quantity / line.ordered
        setattr(line, name, left.quantize(minor_unit(currency), ROUND_HALF_UP))


@dataclass(slots=True)
class Totals:
    """The figures of the canonical payload, and what was set aside to reach them."""

    discount: Decimal = ZERO
    shipping: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    tax: Decimal = ZERO
    total: Decimal = ZERO
    tip: Decimal = ZERO
    duties: Decimal = ZERO
    rounding: Decimal = ZERO


def add_up(order: Place, till: Till, lines: Lines) -> Totals:
    """Totals of the order; a total that its parts do not explain is noted at its path."""
    names = "current_total" if lines.reduced else "total"
    totals = Totals(tip=till.read(order, "total_tip_received") or lines.tips)
    shipping_discount = _read_shipping(order, till, totals)
    paid = till.read(order, f"{names}_price", required=True)
    _settle_tax(
        order.at(f"{names}_tax"), till, till.read_if_any(order, f"{names}_tax"), lines, totals
    )
    _add_duties(order, lines, totals)
    _refuse_fees(order, till)
    discounts = till.read(order, f"{names}_discounts")
    totals.discount = sum((line.discount for line in lines.kept), ZERO)
    totals.tax = sum((line.tax for line in lines.kept), totals.shipping_tax)
    totals.total = paid - totals.tip
    if till.clean and lines.kept:
        left_over = discounts - totals.discount - shipping_discount
        place = order.at(f"{names}_price")
        _reconcile(order, till, lines, totals, place=place, left_over=left_over)
    return totals


def _read_shipping(order: Place, till: Till, totals: Totals) -> Decimal:
    """Shipping after its own discounts into `totals`; returns those discounts."""
    taken_off = ZERO
    for place in order.at("shipping_lines").each():
        if place.at("is_removed").flag():
            continue
        price = till.read(place, "price", required=True)
        if place.has("discount_allocations"):
            discount = till.total(place.at("discount_allocations").each(), "amount")
        else:
            after = till.read_if_any(place, "discounted_price")
            discount = ZERO if after is None else price - after
        if not ZERO <= discount <= price:
            place.at("discount_allocations").note("is more than the price of shipping")
            till.clean = False
        taken_off += discount
        totals.shipping += price - discount
        totals.shipping_tax += till.total(place.at("tax_lines").each(), "price")
    return taken_off


def _settle_tax(
    place: Place, till: Till, said: Decimal | None, lines: Lines, totals: Totals
) -> None:
    """Make the taxes of lines and shipping sum to the order's.

    An order made through the API may have its tax only as a whole: it is shared by value. A cent of
    rounding per line goes to the line with the most tax. Anything more is noted.
    """
    parts = sum((line.tax for line in lines.kept), totals.shipping_tax)
    import_tax = sum((line.duty_tax for line in lines.kept), ZERO)
    if said is None or not till.clean or not lines.kept or said - parts in (ZERO, import_tax):
        return
    gap = said - parts
    most = max(lines.kept, key=lambda line: line.tax)
    if parts == 0:
        _share_tax(till, said, lines, totals)
    elif abs(gap) <= minor_unit(till.currency) * (len(lines.kept) + 1) and most.tax + gap >= 0:
        most.tax += gap
    else:
        place.note(f"the taxes of the lines and of shipping add up to {parts}")


def _share_tax(till: Till, tax: Decimal, lines: Lines, totals: Totals) -> None:
    weights = [max(line.gross - line.discount, ZERO) * line.taxable for line in lines.kept]
    if not any(weights):
        totals.shipping_tax += tax
        return
    for line, part in zip(lines.kept, share(tax, weights, till.currency), strict=True):
        line.tax = part


def _add_duties(order: Place, lines: Lines, totals: Totals) -> None:
    """Duties on top of the prices are a tax of their line; included ones are in the price."""
    totals.duties = sum((line.duty + line.duty_tax for line in lines.kept), ZERO)
    if not totals.duties or order.at("duties_included").flag():
        return
    if order.at("taxes_included").flag():
        order.at("line_items").note(
            f"duties of {totals.duties} on top of prices that include tax have no place in an order"
        )
        return
    for line in lines.kept:
        line.tax += line.duty + line.duty_tax


def _refuse_fees(order: Place, till: Till) -> None:
    if till.read(order, "original_total_additional_fees"):
        order.at("original_total_additional_fees_set").note(
            "additional fees have no place in an order"
        )


def _reconcile(
    order: Place, till: Till, lines: Lines, totals: Totals, *, place: Place, left_over: Decimal
) -> None:
    """Explain Shopify's total by its parts, or note the difference.

    `left_over` are discounts that no line and no shipping line was given. Amounts converted from
    the customer's currency are rounded one by one, so those may miss their total by a minor unit
    each; the difference becomes a discount or part of the shipping price, and is reported.
    """
    goods = sum((line.gross for line in lines.kept), ZERO)
    tax = ZERO if order.at("taxes_included").flag() else totals.tax
    gap = goods - totals.discount + totals.shipping + tax - totals.total
    if gap == 0:
        return
    if gap == left_over and gap > 0:
        totals.discount += gap
        return
    converted = order.at("presentment_currency").value not in (None, till.currency)
    if converted and abs(gap) <= minor_unit(till.currency) * (2 * len(lines.kept) + 2):
        totals.rounding = -gap
        totals.discount += max(gap, ZERO)
        totals.shipping += max(-gap, ZERO)
        return
    place.note(
        f"lines {goods} - discounts {totals.discount} + shipping {totals.shipping} + tax {tax} "
        f"do not add up to {totals.total}"
        + (f" (without the tip {totals.tip})" if totals.tip else "")
    )
