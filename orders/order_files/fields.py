"""What an order file may hold, and what its columns are often called."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a cell is read."""

    TEXT = "text"
    CODE = "code"  # never a number: leading zeros are part of it
    NUMBER = "number"  # a whole one, kept as text
    AMOUNT = "amount"
    UNITS = "units"
    MOMENT = "moment"
    DAY = "day"
    FLAG = "flag"


@dataclass(frozen=True)
class Field:
    """One thing a column may hold. `names`: what such a column is often called, in lower case and
    without anything but letters and digits. `summed`: may stand in each row and be added up."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    names: tuple[str, ...] = ()
    required: bool = False
    summed: bool = False


ORDER: tuple[Field, ...] = (
    Field("external_id", "Order number", Kind.NUMBER, required=True, names=(
        "order", "ordernumber", "orderno", "orderid", "number", "externalid", "bestellnummer",
        "numerocommande", "marketplaceorderid", "amazonorderid")),
    Field("placed_at", "Ordered at", Kind.MOMENT, names=(
        "placedat", "date", "orderdate", "purchasedate", "createdat", "created", "bestelldatum")),
    Field("currency", "Currency", names=("currency", "currencycode", "waehrung", "devise")),
    Field("email", "E-mail", names=("email", "customeremail", "buyeremail", "mail")),
    Field("customer_name", "Customer's name", names=(
        "customer", "customername", "buyername", "name", "billingname")),
    Field("customer_phone", "Customer's phone", Kind.NUMBER, names=(
        "phone", "customerphone", "buyerphonenumber", "telephone")),
    Field("ship_name", "Recipient", names=(
        "recipient", "recipientname", "shippingname", "shiptoname", "deliveryname")),
    Field("ship_company", "Recipient's company", names=("company", "shippingcompany")),
    Field("ship_line1", "Street", names=(
        "street", "address", "address1", "line1", "shipaddress1", "shippingaddress1",
        "shippingstreet", "strasse", "rue")),
    Field("ship_line2", "Second address line", names=(
        "address2", "line2", "shipaddress2", "shippingaddress2")),
    Field("ship_city", "City", names=("city", "shipcity", "shippingcity", "ort", "ville", "town")),
    Field("ship_region", "State or region", names=(
        "state", "region", "province", "shipstate", "shippingprovince")),
    Field("ship_postcode", "Postcode", Kind.NUMBER, names=(
        "postcode", "zip", "zipcode", "postalcode", "shippostalcode", "shippingzip", "plz")),
    Field("ship_country", "Country", names=(
        "country", "countrycode", "shipcountry", "shippingcountry", "land", "pays")),
    Field("ship_phone", "Recipient's phone", Kind.NUMBER, names=(
        "shippingphone", "recipientphone", "shipphonenumber")),
    Field("pickup_location", "Store where it is picked up", Kind.CODE, names=(
        "pickuplocation", "pickupstore", "collectat")),
    Field("sold_at", "Store that sold it", Kind.CODE, names=("soldat", "store", "till")),
    Field("service", "Shipping method", names=(
        "service", "shippingmethod", "shipservicelevel", "deliveryservice")),
    Field("shipping_total", "Shipping costs", Kind.AMOUNT, summed=True, names=(
        "shipping", "shippingtotal", "shippingcosts", "shippingprice", "postage")),
    Field("shipping_tax", "Tax on shipping", Kind.AMOUNT, summed=True, names=("shippingtax",)),
    Field("discount_total", "Discount on the whole order", Kind.AMOUNT, summed=True, names=(
        "discount", "orderdiscount", "discountamount", "voucher")),
    Field("tax_total", "Tax on the goods", Kind.AMOUNT, names=("tax", "taxes", "taxtotal", "vat")),
    Field("total", "Order total", Kind.AMOUNT, names=(
        "total", "ordertotal", "grandtotal", "amount", "gesamt")),
    Field("commission", "Commission", Kind.AMOUNT, summed=True, names=(
        "commission", "fee", "marketplacefee", "referralfee")),
    Field("payment_method", "Payment method", names=("paymentmethod", "payment")),
    Field("payment_reference", "Payment reference", Kind.NUMBER, names=(
        "paymentreference", "transactionid", "paymentid")),
    Field("ship_by", "Ship by", Kind.MOMENT, names=("shipby", "latestshipdate", "dispatchby")),
    Field("deliver_by", "Deliver by", Kind.MOMENT, names=(
        "deliverby", "latestdeliverydate", "promisedby")),
    Field("wanted_on", "Not before", Kind.DAY, names=("wantedon", "deliverydate", "notbefore")),
    Field("gift", "Gift", Kind.FLAG, names=("gift", "isgift")),
    Field("gift_message", "Gift message", names=("giftmessage", "giftmessagetext")),
    Field("ship_together", "Ship together", Kind.FLAG, names=("shiptogether", "shipcomplete")),
    Field("note", "Note", names=("note", "notes", "comment", "customernote")),
    Field("tags", "Tags, separated by commas", names=("tags", "labels")),
)  # fmt: skip

LINE: tuple[Field, ...] = (
    Field("sku", "SKU", Kind.CODE, required=True, names=(
        "sku", "itemsku", "lineitemsku", "productsku", "article", "articlenumber", "itemnumber",
        "sellersku", "artikelnummer", "reference")),
    Field("quantity", "Quantity", Kind.UNITS, required=True, names=(
        "quantity", "qty", "units", "lineitemquantity", "quantitypurchased", "menge", "quantite")),
    Field("unit_price", "Price of one unit", Kind.AMOUNT, required=True, names=(
        "unitprice", "price", "itemprice", "lineitemprice", "preis", "prix")),
    Field("line_name", "Product name", names=(
        "productname", "itemname", "lineitemname", "title", "product", "description")),
    Field("line_external_id", "Line number", Kind.NUMBER, names=(
        "lineid", "lineitemid", "orderitemid", "linenumber")),
    Field("line_discount", "Discount of the line", Kind.AMOUNT, names=(
        "linediscount", "itemdiscount", "lineitemdiscount", "itempromotiondiscount")),
    Field("line_tax", "Tax of the line", Kind.AMOUNT, names=("linetax", "itemtax", "lineitemtax")),
)  # fmt: skip

FIELDS: dict[str, Field] = {field.name: field for field in (*ORDER, *LINE)}
LINE_NAMES = frozenset(field.name for field in LINE)


@dataclass(frozen=True)
class Choice:
    """What holds for every order of such files; the first of its values is the usual one."""

    name: str
    label: str
    values: tuple[tuple[str, str], ...]


CHOICES: tuple[Choice, ...] = (
    Choice("paid", "Payments", (
        ("captured", "are paid already"), ("authorized", "are authorized, not taken yet"),
        ("pending", "are paid on delivery"), ("none", "are not in this file"))),
    Choice("tax_included", "Prices", (
        ("yes", "include taxes"), ("no", "are without taxes, which come on top"))),
    Choice("decimal", "Amounts are written", ((".", "1,234.50"), (",", "1.234,50"))),
    Choice("dates", "Days are written", (
        ("iso", "2026-11-23"), ("dmy", "23.11.2026 or 23/11/2026"), ("mdy", "11/23/2026"))),
    Choice("per_row", "Amounts of the order stand", (
        ("no", "once per order, or the same in each of its rows"),
        ("yes", "in parts in each row, to be added up"))),
)  # fmt: skip
