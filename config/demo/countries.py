"""How people are called and live in the countries the demo company delivers to."""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Country:
    """What an invented customer of a country looks like.

    `share` of orders in percent; `vat` the standard rate (of the US: a typical sales tax). In
    `postcode` and `phone`, # is a digit and @ a letter; the postcode's first signs, or its stars,
    are the prefix of the postal area. `local_names` turns GeoNames' English names back.
    """

    share: int
    vat: Decimal
    postcode: str
    address: str
    streets: tuple[str, ...]
    given: tuple[str, ...]
    family: tuple[str, ...]
    phone: str = ""
    extras: tuple[str, ...] = ("",)
    local_names: dict[str, str] = field(default_factory=dict)


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _local(text: str) -> dict[str, str]:
    pairs = (pair.split("=") for pair in text.split(", "))
    return {english: local for english, local in pairs}


COUNTRIES: dict[str, Country] = {
    "FR": Country(
        20, Decimal("0.20"), "#####", "{number} {street}",
        _list("Rue des Lilas, Rue Victor Hugo, Avenue Jean Jaurès, Rue de l'Église, "
              "Place du Marché, Impasse des Mûriers, Boulevard Carnot, Chemin du Moulin"),
        _list("Chloé, Élodie, Inès, Maëlys, Zoé, Jérôme, Loïc, Théo, Noé, François, Anaïs, Rémi"),
        _list("Lefèvre, Garnier, Béranger, Duchêne, Fournier, Gérard, Lemaître, Perrot, Rousselot, "
              "Thévenot, Vasseur, D'Aubigny"),
        "+33 6 39 98 ## ##", _list("Bâtiment B, 3e étage, Appartement 12"),
    ),
    "DE": Country(
        18, Decimal("0.19"), "#####", "{street} {number}",
        _list("Lindenstraße, Goethestraße, Am Mühlbach, Schillerstraße, Bahnhofstraße, Gartenweg, "
              "Königsallee, An der Brücke"),
        _list("Jürgen, Käthe, Sören, Anneliese, Björn, Lena, Jonas, Änne, Matthias, Frauke, Emre, "
              "Małgorzata"),
        _list("Müller, Schröder, Weiß, Köhler, Jäger, Böttcher, Großmann, Lübke, Yıldız, Vogel, "
              "Kühn, von Hagen"),
        "+49 171 39200##", _list("Hinterhaus, c/o Weiß, 2. OG links"),
        _local("Munich=München, Nuremberg=Nürnberg, Cologne=Köln, Hanover=Hannover"),
    ),
    "ES": Country(
        11, Decimal("0.21"), "#####", "{street} {number}",
        _list("Calle Mayor, Calle del Prado, Avenida de la Constitución, Paseo del Río, "
              "Calle Nueva, Plaza de España, Carrer de la Pau, Calle San Martín"),
        _list("Begoña, Íñigo, Núria, José María, Lucía, Ángel, Iván, Montserrat, Álvaro, Sofía"),
        _list("Muñoz Peña, García Ibáñez, Núñez, Castaño, Zubizarreta, Ordóñez, Peña, "
              "Rodríguez Gil, Llorenç, Quiñones"),
        "", _list("3º B, Esc. 2, Bajo izquierda"),
        _local("Seville=Sevilla, Saragossa=Zaragoza"),
    ),
    "IT": Country(
        10, Decimal("0.22"), "#####", "{street} {number}",
        _list("Via Roma, Via Garibaldi, Corso Italia, Via dei Mille, Piazza del Popolo, Via Verdi, "
              "Viale della Libertà, Via San Nicolò"),
        _list("Niccolò, Chiara, Matteo, Giosuè, Beatrice, Elia, Ginevra, Tommaso, Noemi, Alessia"),
        _list("Forlì, D'Amico, Esposito, Bianchi, De Santis, Marchetti, Nicolò, Rinaldi, Barbè, "
              "Colombo"),
        "", _list("Scala A, Interno 7, Presso Bianchi"),
        _local("Rome=Roma, Milan=Milano, Turin=Torino, Naples=Napoli, Florence=Firenze, "
               "Genoa=Genova, Venice=Venezia, Padua=Padova"),
    ),
    "GB": Country(
        10, Decimal("0.20"), "*# #@@", "{number} {street}",
        _list("High Street, Church Lane, Station Road, Mill Lane, Victoria Road, The Green, "
              "Kings Road, Orchard Close"),
        _list("Oliver, Siân, Imogen, Rhys, Aoife, Priya, Harriet, Callum, Zainab, Tobias"),
        _list("O'Connor, Llewellyn, Smythe-Jones, Patel, Whitaker, Okafor, Ashworth, MacLeod, "
              "Begum, Penhaligon"),
        "+44 7700 900###", _list("Flat 4, The Old Bakery, Unit 2"),
    ),
    "NL": Country(
        6, Decimal("0.21"), "#### @@", "{street} {number}",
        _list("Dorpsstraat, Kerkweg, Prinsengracht, Molenlaan, Beatrixstraat, Oude Haven, "
              "Burgemeester Röellstraat"),
        _list("Joost, Anouk, Daniël, Noor, Renée, Thijs, Loïs, Sjoerd, Fenna, Zoë"),
        _list("de Vries, van der Meer, Jansen, 't Hooft, Öztürk, Bakker, van 't Veld, Visser"),
        extras=_list("bis, 2 hoog"),
        local_names=_local("The Hague=Den Haag"),
    ),
    "BE": Country(
        5, Decimal("0.21"), "####", "{street} {number}",
        _list("Kerkstraat, Rue de la Station, Stationsstraat, Rue Haute, Nieuwstraat, "
              "Avenue des Tilleuls"),
        _list("Maxime, Lotte, Océane, Wout, Jérémie, Femke, Aurélie, Senne"),
        _list("Peeters, Dupont, Van den Broeck, Maes, Lambert, Claes, Hénin, D'Hondt"),
        extras=_list("bus 3, boîte 12"),
        local_names=_local("Brussels=Bruxelles, Antwerp=Antwerpen, Bruges=Brugge, Ghent=Gent"),
    ),
    "US": Country(
        5, Decimal("0.08"), "#####", "{number} {street}",
        _list("Maple Avenue, Oak Street, Washington Boulevard, 3rd Street, Sunset Drive, "
              "Elm Court, Lakeview Road"),
        _list("Emily, Mateo, Ashley, DeShawn, Madison, Hiroshi, Caitlyn, Renée, Tyler, Guadalupe"),
        _list("Johnson, Ramírez, O'Brien, Nguyen, Washington, Kowalski, Tanaka, Miller, "
              "Ortiz-Vega"),
        "+1 212 555 01##", _list("Apt 4B, Suite 210, Unit 7"),
        _local("New York City=New York"),
    ),
    "PT": Country(
        3, Decimal("0.23"), "####-###", "{street} {number}",
        _list("Rua da Liberdade, Avenida da República, Travessa do Carmo, Rua de São João, "
              "Largo da Sé"),
        _list("João, Inês, Leonor, Tomás, Beatriz, Gonçalo, Matilde, Simão"),
        _list("Gonçalves, Simões, Araújo, Conceição Dias, Brandão, Magalhães, Leitão"),
        extras=_list("3.º Dto, R/C Esq."),
        local_names=_local("Lisbon=Lisboa"),
    ),
    "AT": Country(
        3, Decimal("0.20"), "####", "{street} {number}",
        _list("Hauptstraße, Mozartgasse, Kirchenplatz, Wiener Straße, Feldgasse"),
        _list("Franziska, Lukas, Jörg, Theresia, Dženan, Magdalena, Günther"),
        _list("Gruber, Höllerer, Moser, Steinböck, Wögerer, Hadžić, Pichler"),
        extras=_list("Stiege 2, Top 14"),
        local_names=_local("Vienna=Wien"),
    ),
    "CH": Country(
        2, Decimal("0.081"), "####", "{street} {number}",
        _list("Bahnhofstrasse, Dorfstrasse, Rue du Lac, Seestrasse, Via Cantonale"),
        _list("Urs, Reto, Céline, Noémie, Beat, Ladina, Jürg"),
        _list("Zürcher, Müller-Hofmann, Favre, Bünzli, Rossier, Caduff"),
        local_names=_local("Geneva=Genève"),
    ),
    "SE": Country(
        2, Decimal("0.25"), "### ##", "{street} {number}",
        _list("Storgatan, Kungsvägen, Björkgatan, Södra Långgatan, Åsvägen"),
        _list("Åsa, Björn, Märta, Göran, Linnéa, Håkan, Tuva"),
        _list("Åkesson, Sjöström, Lindqvist, Öberg, Bergström, Nyström"),
        "+46 70 174 06 ##", _list("lgh 1103, c/o Öberg"),
        _local("Gothenburg=Göteborg"),
    ),
    "PL": Country(
        2, Decimal("0.23"), "##-###", "{street} {number}",
        _list("ulica Polna, ulica Mickiewicza, aleja Niepodległości, ulica Źródlana, ulica Leśna"),
        _list("Łukasz, Małgorzata, Zbigniew, Jagoda, Michał, Żaneta, Bożena"),
        _list("Wiśniewska-Nowak, Kowalczyk, Dąbrowicz, Źrebiec, Gołąb, Pięta"),
        extras=_list("m. 5, lok. 21"),
        local_names=_local("Warsaw=Warszawa, Cracow=Kraków"),
    ),
    "DK": Country(
        1, Decimal("0.25"), "####", "{street} {number}",
        _list("Nørregade, Søndergade, Møllevej, Åboulevarden, Kirkevænget"),
        _list("Søren, Mads, Ærling, Freja, Jørgen, Sigrid"),
        _list("Sørensen, Nygård, Kjær, Østergaard, Bæk, Thygesen"),
        extras=_list("2. tv., st. th."),
        local_names=_local("Copenhagen=København, Århus=Aarhus"),
    ),
    "CZ": Country(
        1, Decimal("0.21"), "### ##", "{street} {number}",
        _list("Nádražní, Husova, Na Příkopě, Školní, U Řeky"),
        _list("Jiří, Zdeňka, Ondřej, Růžena, Kateřina, Matěj"),
        _list("Dvořák, Novotná, Šťastný, Řezníčková, Čermák, Veselá"),
        local_names=_local("Prague=Praha, Pilsen=Plzeň"),
    ),
    "IE": Country(
        1, Decimal("0.23"), "*** @#@#", "{number} {street}",
        _list("Main Street, Strand Road, Abbey Street, Church View"),
        _list("Aoife, Seán, Caoimhe, Oisín, Niamh, Pádraig"),
        _list("Ó Briain, Ní Dhónaill, Kavanagh, O'Sullivan, Brennan, Mac Giolla"),
    ),
}  # fmt: skip
