"""The small catalogue: what Fieldfare sells, and how full each shelf is on the first morning."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_noop as _  # marked here, translated where it is shown


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the package is told about a variant whose shelf tells only half the story. Days count from the seeding."""

    policy: str = "stop"
    terms: dict[str, Any] = field(default_factory=dict)
    due: tuple[int, int] | None = None
    units: int = 24
    confidence: str = "firm"
    release_in: int | None = None
    discontinued: bool = False
    successor: str | None = None


def out(earliest: int, latest: int, units: int = 24, confidence: str = "firm") -> Situation:
    return Situation(due=(earliest, latest), units=units, confidence=confidence)


def overdue(days: int, units: int = 24) -> Situation:
    """It should have come, and nobody has said when it will."""
    return Situation(due=(-days - 2, -days), units=units, confidence="guess")


def backorder(earliest: int, latest: int, units: int = 30, confidence: str = "firm", **terms: Any) -> Situation:
    return Situation(policy="backorder", due=(earliest, latest), units=units, confidence=confidence, terms=terms)


def late_backorder(days: int, units: int = 24) -> Situation:
    """The same, and it may be ordered all the same."""
    return Situation(policy="backorder", due=(-days - 2, -days), units=units, confidence="guess")


def backorder_without_date(**terms: Any) -> Situation:
    return Situation(policy="backorder", terms=terms)


def preorder(release_in: int, units: int = 200, **terms: Any) -> Situation:
    due = (release_in - 2, release_in)
    terms = {"backorder_limit": units, **terms}
    return Situation(policy="preorder", release_in=release_in, due=due, units=units, terms=terms)


def sold_with(**terms: Any) -> Situation:
    return Situation(terms=terms)


def coming_soon(release_in: int) -> Situation:
    return Situation(release_in=release_in)


def announced() -> Situation:
    """There will be one, and nobody knows when."""
    return Situation(policy="announced")


def no_longer_made(successor: str | None = None) -> Situation:
    return Situation(discontinued=True, successor=successor)


@dataclass(frozen=True)
class Choice:
    """One variant. A name out of COLOURS is also its colour; any other has the colour of the item."""

    name: str
    price: str
    stock: int
    situation: Situation | None = None


@dataclass(frozen=True)
class Item:
    code: str
    title: str
    brand: str
    picture: str
    colour: str
    copy: str
    choices: list[Choice]
    featured: bool = False


@dataclass(frozen=True)
class Department:
    name: str
    slug: str
    blurb: str
    picture: str
    colour: str
    items: list[Item] = field(default_factory=list)
    terms: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Who sends us the goods of some brands, and how many working days late the last ones came (``None``: never)."""

    name: str
    brands: list[str]
    days_late: list[int | None]
    lead_days: int | None = None
    closed: dict[int, str] = field(default_factory=dict)


MAKERS = [
    Maker(name="Sablon Works", brands=["Sablon Ironworks", "Sablon Woodshop", "Studio Ardenne", "Velo Sablon"], lead_days=10,
          days_late=[0, 1, 0, 0, -1, 0, 0, 2, 0, 0, 0, 1, 0, 0, -1, 0, 1, 0, 0, -1, 0, 2, 0, 0], closed={40: "Stock-taking"}),
    Maker(name="Nordic Freight", brands=["Norrsken", "Lund & Daughters", "Halden"], lead_days=15,
          days_late=[2, 1, 3, 0, 1, 2, 4, 1, 0, 3, 2, 1, 1, 2, 0, 3, 1, 4, 2, 1, 0, 2, 3, 1]),
    Maker(name="Canal Imports", brands=["Kontor", "Officina Riva", "Hollis & Sons", "Atelier Noor", "Brandt Messer"],
          days_late=[5, 9, 4, 7, 2, 10, 8, 6, 3, 11, 5, 7, 3, 8, 2, 5, 12, 0, 6, 4, 9, None, 7, 3]),
]  # fmt: skip


COLOURS = {
    "Matt black": "33373b", "Graphite": "4a5058", "Cream": "e6dcc6", "White": "ecebe6", "Sage": "7f9a83", "Moss": "4f6b46",
    "Forest": "2f5d50", "Clay": "b96f50", "Brick": "a33b2e", "Rust": "b4532a", "Ochre": "c99a2e", "Brass": "c9a227",
    "Sand": "c9b18c", "Sky": "6f9dbd", "Denim": "3b5b7d", "Navy": "27405f", "Petrol": "2f6d80", "Plum": "7d4a68",
    "Rose": "d8a090", "Steel": "9aa3ab", "Oak": "b98450", "Walnut": "6f462b", "Beech": "cf9f6a", "Cherry": "8f4b32",
    "Honey": "b5793f", "Tan": "9c6a40",
}  # fmt: skip

C = Choice

DEPARTMENTS = [
    Department(_("Kitchen"), "kitchen", _("Pans, knives and pots for every day"), "casserole", "a33b2e", [
        Item("HEARTH", _("Hearth kettle, 1.5 l"), "Lund & Daughters", "kettle", "Sage",
             _("Enamelled steel on a heavy base, so it boils fast and stays where you put it. The handle folds flat and never gets "
             "hot.\n\nThe enamel is fired twice in Ghent; small differences in shade are part of it."),
             [C(_("Sage"), "64.00", 12), C(_("Matt black"), "64.00", 0, out(9, 13)), C(_("Cream"), "64.00", 2, out(9, 13)), C(_("Brick"), "69.00", 0)], True),
        Item("FORGE", _("Forge skillet"), "Sablon Ironworks", "skillet", "Graphite",
             _("Cast iron, sanded smooth and seasoned three times with linseed oil. It arrives ready for an egg and gets better every "
             "year.\n\nHand wash, dry on the hob, never soak."),
             [C("20 cm", "39.00", 18), C("24 cm", "49.00", 3), C("28 cm", "62.00", 0, backorder(8, 12))]),
        Item("SANTOKU", _("Santoku knife, 17 cm"), "Brandt Messer", "knife", "Walnut",
             _("A thin, tall blade for vegetables: it pushes through an onion and carries it to the pan. Carbon steel that takes a razor "
             "edge and darkens with use."),
             [C(_("Walnut"), "118.00", 5), C(_("Oak"), "112.00", 0, backorder(18, 30, confidence="estimated"))]),
        Item("ENDGRAIN", _("End-grain board"), "Sablon Woodshop", "board", "Oak",
             _("The fibres stand upright, so a knife sinks between them and both stay sharp. Offcuts from furniture making, glued, "
             "oiled and turned into something heavy."),
             [C(_("Oak"), "74.00", 7), C(_("Walnut"), "89.00", 1), C(_("Cherry"), "89.00", 0)]),
        Item("NEST", _("Nest bowls, set of four"), "Studio Ardenne", "bowls", "Rose",
             _("Stoneware that stacks into the space of one. The largest holds a salad for six, the smallest one egg."),
             [C(_("Rose"), "58.00", 9), C(_("Sky"), "58.00", 0, out(4, 6)), C(_("Moss"), "58.00", 14)]),
        Item("TURN", _("Turn pepper mill"), "Sablon Woodshop", "mill", "Beech",
             _("A ceramic grinder that outlives the wood around it. Twelve settings, from dust to cracked."),
             [C(_("Beech"), "34.00", 21), C(_("Walnut"), "38.00", 6), C(_("Matt black"), "36.00", 0, out(20, 34, confidence="guess"))]),
        Item("LOW", _("Low casserole, 3.5 l"), "Lund & Daughters", "casserole", "Brick",
             _("Wide enough to brown a whole chicken in one layer, low enough to serve from. The lid drips back evenly.\n\n"
             "Fits every hob, induction too, and the oven to 260 °C."),
             [C(_("Brick"), "149.00", 0, backorder(7, 10)), C(_("Forest"), "149.00", 4), C(_("Navy"), "149.00", 0, out(7, 10))], True),
    ]),
    Department(_("Coffee"), "coffee", _("Beans, and what turns them into a morning"), "dripper", "ecebe6", [
        Item("STEP", _("Step hand grinder"), "Kontor", "grinder", "Denim",
             _("Thirty-eight millimetre steel burrs and clicks you can count: 14 for espresso, 24 for filter. Twenty grams in forty "
             "seconds, without waking anybody."),
             [C(_("Denim"), "89.00", 8), C(_("Matt black"), "89.00", 0, out(5, 8)), C(_("Clay"), "89.00", 3)], True),
        Item("CONE", _("Cone dripper"), "Studio Ardenne", "dripper", "White",
             _("A 60° cone with long ribs, so the paper breathes and the bed drains evenly. With its glass server."),
             [C(_("White"), "42.00", 16), C(_("Matt black"), "42.00", 11), C(_("Clay"), "44.00", 0)]),
        Item("POUR", _("Gooseneck kettle, 0.9 l"), "Kontor", "gooseneck", "Matt black",
             _("The spout is cut at an angle that pours one thin, straight line, however much is left in it."),
             [C(_("Matt black"), "79.00", 0, backorder(6, 9, backorder_limit=20)), C(_("Steel"), "74.00", 6), C(_("White"), "79.00", 0, out(6, 9))]),
        Item("MOKA", _("Moka pot"), "Officina Riva", "moka", "Steel",
             _("The eight-sided original shape, in thicker aluminium and with a valve you can take apart."),
             [C(_("3 cups"), "29.00", 25), C(_("6 cups"), "36.00", 2), C(_("9 cups"), "44.00", 0, no_longer_made("MOKA-6-CUPS"))]),
        Item("HOUSE", _("House espresso"), "Fieldfare Roastery", "beans", "Rust",
             _("Brazil for chocolate, Guatemala for sweetness. Roasted on Tuesdays, sent on Wednesdays, at its best from day ten."),
             [C("250 g", "9.50", 60), C("1 kg", "33.00", 22)]),
        Item("GUJI", _("Ethiopia Guji, filter"), "Fieldfare Roastery", "beans", "Petrol",
             _("Washed, from 214 growers around Hambela. Bergamot, apricot, black tea. One harvest a year: when it is gone, the next one "
             "sails in spring."),
             [C("250 g", "13.50", 0, out(95, 120, units=300, confidence="estimated")), C("1 kg", "48.00", 0)]),
        Item("PRESS", _("Press pot, 1 l"), "Kontor", "press", "Matt black",
             _("Double mesh and a lid that really closes. Four minutes, push, pour."),
             [C(_("Matt black"), "45.00", 13), C(_("Brass"), "52.00", 0, backorder_without_date(reason=_("The foundry that casts the lids has no date for us yet.")))]),
        Item("EVERYDAY", _("Everyday cup and saucer"), "Studio Ardenne", "cup", "Sky",
             _("Eighteen centilitres: a flat white to the brim. Thick where you hold it, thin where you drink."),
             [C(_("Sky"), "19.00", 30), C(_("Ochre"), "19.00", 3), C(_("Brick"), "19.00", 0, out(3, 5)), C(_("White"), "17.00", 44)]),
    ]),
    Department(_("Lamps"), "lamps", _("Light to read, eat and rest by"), "mushroom", "d9733a", [
        Item("PILOT", _("Pilot desk lamp"), "Halden", "desklamp", "Ochre",
             _("Three joints that stay where you leave them, and a head that turns right round. Warm LED, 2,700 K, to be dimmed by a "
             "touch."),
             [C(_("Ochre"), "129.00", 6), C(_("Matt black"), "129.00", 0, out(12, 18)), C(_("Petrol"), "129.00", 1)], True),
        Item("DOME", _("Dome pendant, 38 cm"), "Halden", "pendant", "Forest",
             _("Spun from one sheet of steel. Hung sixty centimetres over a table, it lights the plates and leaves faces soft."),
             [C(_("Forest"), "159.00", 4), C(_("Cream"), "159.00", 8), C(_("Brick"), "159.00", 0, backorder(14, 20))]),
        Item("CAP", _("Cap table lamp"), "Atelier Noor", "mushroom", "Rust",
             _("The shade hides the bulb from every chair in the room. A small lamp that changes a corner."),
             [C(_("Rust"), "98.00", 0, backorder(8, 12)), C(_("Sage"), "98.00", 5), C(_("Plum"), "98.00", 0)], True),
        Item("TRIPOD", _("Tripod floor lamp"), "Sablon Woodshop", "tripod", "Sand",
             _("Three ash legs and a linen shade made by the last shade maker in Mechelen."),
             [C(_("Sand"), "219.00", 2), C(_("Petrol"), "219.00", 0, out(25, 40, units=8, confidence="estimated"))]),
        Item("MOON", _("Paper moon lantern"), "Atelier Noor", "lantern", "Cream",
             _("Mulberry paper over bamboo, folded flat for the post. Four minutes to build, years to look at."),
             [C("50 cm", "36.00", 28), C("65 cm", "49.00", 12), C("80 cm", "68.00", 0)]),
        Item("CAMP", _("Camp lantern"), "Norrsken", "portable", "Navy",
             _("Forty hours on the low setting, and a hook under its foot, so that it hangs upside down in a tent."),
             [C(_("Navy"), "59.00", 15), C(_("Brick"), "59.00", 0, no_longer_made("CAMP-NAVY")), C(_("Moss"), "59.00", 3)]),
    ]),
    Department(_("Furniture"), "furniture", _("Made for you, by hand, in Ghent"), "stool", "b98450", [
        Item("MILKING", _("Milking stool"), "Sablon Woodshop", "stool", "Oak",
             _("Three legs never wobble. Turned, wedged and oiled by one person, who burns her initials underneath."),
             [C(_("Oak"), "129.00", 0), C(_("Walnut"), "149.00", 0), C(_("Beech"), "119.00", 0)], True),
        Item("PLANK", _("Plank shelf, 90 cm"), "Sablon Woodshop", "shelf", "Walnut",
             _("Four boards, two ladders, no screws. Tell us the height of your ceiling and we cut the ladders to it."),
             [C(_("Walnut"), "340.00", 0), C(_("Oak"), "290.00", 0)]),
        Item("STATION", _("Station bench, 140 cm"), "Sablon Woodshop", "bench", "Cherry",
             _("The bench of the small stations along the Lys, with the slats a finger apart so that rain runs through."),
             [C(_("Cherry"), "410.00", 1), C(_("Oak"), "380.00", 0)]),
    ], terms={"policy": "made_to_order", "lead_days": 20, "reason": _("Our workshop builds them one at a time.")}),
    Department(_("Bikes"), "bikes", _("Made for rain, tramlines and groceries"), "bike", "2f6d80", [
        Item("COMMUTER", _("Commuter 8"), "Velo Sablon", "bike", "Petrol",
             _("Lugged steel, eight gears in the hub, a dynamo that never asks to be charged. Eleven kilos and a half, and mudguards "
             "that reach low enough.\n\nBuilt to order in batches of thirty."),
             [C(_("Frame S"), "1290.00", 2), C(_("Frame M"), "1290.00", 0, backorder(28, 42, units=12, confidence="estimated", only_inbound=True)),
              C(_("Frame L"), "1290.00", 0, backorder(28, 42, units=12, confidence="estimated", only_inbound=True))], True),
        Item("ORBIT", _("Orbit helmet"), "Norrsken", "helmet", "White",
             _("Three vents in front, one dial behind, and a visor edge that keeps drizzle off glasses."),
             [C("S, 51-55 cm", "84.00", 9), C("M, 55-59 cm", "84.00", 0, out(3, 4)), C("L, 59-63 cm", "84.00", 12)]),
        Item("DRYSIDE", _("Dry pannier, 20 l"), "Norrsken", "pannier", "Rust",
             _("Welded, not sewn. It clicks on with one hand and carries a laptop through a November."),
             [C(_("Rust"), "76.00", 7), C(_("Navy"), "76.00", 5), C(_("Matt black"), "76.00", 0, out(10, 15))]),
        Item("RING", _("Ring bell"), "Velo Sablon", "bell", "Brass",
             _("One strike rings for four seconds. Turned from solid brass by somebody who used to make clocks."),
             [C(_("Brass"), "24.00", 33), C(_("Matt black"), "26.00", 10)]),
        Item("FLOOR", _("Floor pump"), "Velo Sablon", "pump", "Brick",
             _("A steel barrel, an ash handle, a gauge you can read standing up. Every part can be bought again."),
             [C("", "54.00", 0)]),
        Item("RIDGEWAY", _("Ridgeway saddle"), "Hollis & Sons", "saddle", "Tan",
             _("Five millimetres of vegetable-tanned leather. Stiff for two hundred kilometres, yours for twenty years."),
             [C(_("Tan"), "96.00", 0, backorder(21, 28)), C(_("Matt black"), "96.00", 0, backorder(21, 28))], True),
        Item("KEEP", _("Keep U-lock"), "Norrsken", "ulock", "Graphite",
             _("Sixteen millimetres of hardened steel, two bolts, three keys, and a sleeve that is kind to paint."),
             [C(_("Short"), "62.00", 14, sold_with(safety_stock=2)), C(_("Long"), "68.00", 6)]),
        Item("BEAM", _("Beam front light"), "Norrsken", "bikelight", "Graphite",
             _("The first Beam: 60 lux, a week of commuting on one charge. We sold it for six years."),
             [C("", "49.00", 0, no_longer_made("BEAM2"))], True),
        Item("BEAM2", _("Beam 2 front light"), "Norrsken", "bikelight", "Petrol",
             _("Brighter than the Beam, and its battery can be changed with a coin. 90 lux, cut off sharply so that nobody is dazzled."),
             [C("", "59.00", 17)]),
    ]),
    Department(_("Books"), "books", _("To read now, or in the week they come out"), "book-clouds", "5d8fb8", [
        Item("GARDENER", _("The Patient Gardener"), "Ines Vallotton", "book-garden", "56794a",
             _("Fifty-two short chapters, one a week, about a walled garden in the Jura and the woman who stopped hurrying it."),
             [C(_("Hardback"), "28.00", 11), C(_("Paperback"), "16.00", 34)]),
        Item("BREAD", _("Bread in Four Movements"), "Paul Ansermet", "book-bread", "b0662d",
             _("Flour, water, salt, time. Forty loaves, each with the one photograph you need."),
             [C(_("Hardback"), "34.00", 0, out(8, 11)), C(_("Paperback"), "22.00", 19)]),
        Item("CLOUDS", _("A Field Guide to Clouds"), "Margit Olsen", "book-clouds", "5d8fb8",
             _("How to read an afternoon. With a chart that folds out and a pencil loop."),
             [C(_("Hardback"), "26.00", 3)], True),
        Item("BRIDGES", _("How Bridges Stand"), "Theo Brandt", "book-bridges", "8c3b3b",
             _("A bridge builder explains eleven bridges, three of which fell down."),
             [C(_("Hardback"), "32.00", 6), C(_("Paperback"), "18.00", 0)]),
        Item("FERRY", _("Letters from the Night Ferry"), "Hanne Lindqvist", "book-ferry", "1f3350",
             _("Every night for a winter the purser of the Oslo boat writes to a passenger whose name she never learned. The first "
             "novel in nine years by the author of Salt Hours."),
             [C(_("Hardback"), "25.00", 0, preorder(24)), C(_("Signed hardback"), "39.00", 0, preorder(24, units=40, customer_limit=1))], True),
        Item("REPAIR", _("The Repair Shop Handbook"), "A. & J. Mertens", "book-repair", "3f6f73",
             _("Zips, hinges, lamps, chairs: two hundred things that are not broken yet, only stopped."),
             [C(_("Paperback"), "21.00", 27)]),
        Item("SALT", _("Salt Roads, an atlas"), "R. Okonjo", "book-salt", "c98a3c",
             _("Eighty maps of the ways salt has travelled, from the Sahara to the Salzkammergut."),
             [C(_("Hardback"), "48.00", 0, coming_soon(75))], True),
        Item("TIDES", _("A Field Guide to Tides"), "Margit Olsen", "book-clouds", "3f6f73",
             _("The sea's answer to the book of clouds. The author still walks the coasts for it."),
             [C(_("Hardback"), "26.00", 0, announced())]),
    ]),
    Department(_("Outdoor"), "outdoor", _("Carried far, used hard, repaired"), "tent", "d08a35", [
        Item("RIDGE", _("Ridge tent"), "Norrsken", "tent", "Ochre",
             _("Two poles, six pegs, four minutes. The fly goes up first, so the inside stays dry."),
             [C(_("2 persons"), "349.00", 3), C(_("3 persons"), "429.00", 0, backorder(16, 22, backorder_limit=15))], True),
        Item("TRAIL", _("Trail pack, 32 l"), "Norrsken", "backpack", "Forest",
             _("Waxed cotton and leather where hands and rock touch it, nothing where they do not. A frame sheet that comes out to sit "
             "on."),
             [C(_("Forest"), "164.00", 6), C(_("Navy"), "164.00", 0, out(2, 3)), C(_("Rust"), "164.00", 10)]),
        Item("MOOR", _("Moor boots"), "Hollis & Sons", "boot", "Honey",
             _("One piece of leather, welted, with a sole that can be replaced three times. Give them two weeks."),
             [C(_("Size 40"), "239.00", 2), C(_("Size 41"), "239.00", 5), C(_("Size 42"), "239.00", 0, backorder(9, 14)),
              C(_("Size 43"), "239.00", 0, out(9, 14)), C(_("Size 44"), "239.00", 1), C(_("Size 45"), "239.00", 0)], True),
        Item("ENAMEL", _("Enamel mug"), "Lund & Daughters", "enamelmug", "Denim",
             _("Chips, and is better for it. Goes on the fire."),
             [C(_("Denim"), "14.00", 52, sold_with(order_maximum=6)), C(_("Forest"), "14.00", 38), C(_("Brick"), "14.00", 0, out(5, 7))]),
        Item("FLASK", _("Flask, 0.75 l"), "Norrsken", "bottle", "Petrol",
             _("Hot for eighteen hours, cold for thirty. The lid comes apart without a tool."),
             [C(_("Petrol"), "36.00", 20), C(_("Cream"), "36.00", 3), C(_("Plum"), "36.00", 0)]),
        Item("BEACON", _("Beacon headlamp"), "Norrsken", "headlamp", "Rust",
             _("A broad light for the hands and a narrow one for the path. Red on a long press, for reading beside somebody asleep."),
             [C("", "46.00", 0, out(6, 8, units=5))], True),
        Item("LARK", _("Lark sleeping bag"), "Norrsken", "sleepingbag", "Navy",
             _("Down from one farm in the Auvergne, comfortable to minus two. Opens flat into a quilt."),
             [C(_("Regular"), "289.00", 4), C(_("Long"), "309.00", 0, out(30, 50, units=10, confidence="estimated"))]),
    ]),
    Department(_("Sound"), "sound", _("For records, radio and quiet"), "turntable", "8f4b32", [
        Item("LOOP", _("Loop headphones"), "Halden", "headphones", "Graphite",
             _("Closed, wired, forty ohms. Cushions, cable and band can all be replaced with two fingers."),
             [C(_("Graphite"), "179.00", 8), C(_("Cream"), "179.00", 0, backorder(13, 17))], True),
        Item("DECK", _("Deck turntable"), "Halden", "turntable", "Honey",
             _("A belt, a heavy platter and an arm you set up once, with the gauge in the box."),
             [C(_("Oak"), "449.00", 2), C(_("Walnut"), "469.00", 0, out(22, 36, units=6, confidence="guess"))]),
        Item("KITCHEN", _("Kitchen radio"), "Atelier Noor", "radio", "Brick",
             _("One dial for the station, one for how loud. FM and DAB+, and a battery that lasts a weekend."),
             [C(_("Brick"), "139.00", 5), C(_("Sage"), "139.00", 9), C(_("Cream"), "139.00", 0, out(4, 7))], True),
        Item("BLOCK", _("Block speakers, pair"), "Halden", "speaker", "Graphite",
             _("Small enough for a shelf, honest enough for a cello."),
             [C(_("Graphite"), "329.00", 3), C(_("Oak"), "349.00", 0, backorder(40, 60, units=6, confidence="estimated", backorder_limit=2))]),
        Item("TEMPO", _("Tempo metronome"), "Hollis & Sons", "metronome", "Cherry",
             _("Wound by hand, from largo to presto. It loses one beat in four hundred."),
             [C(_("Cherry"), "88.00", 0, preorder(38, units=60))], True),
    ]),
    Department(_("Living"), "living", _("The rest of the room"), "vase", "6f9dbd", [
        Item("DOT", _("Dot notebook, A5"), "Kontor", "notebook", "Denim",
             _("One hundred and ninety-two numbered pages that lie flat and take ink without a shadow."),
             [C(_("Denim"), "18.00", 40), C(_("Brick"), "18.00", 25), C(_("Forest"), "18.00", 0, out(3, 6)), C(_("Matt black"), "18.00", 61)]),
        Item("PLAID", _("Wool blanket, 130 × 200"), "Hollis & Sons", "blanket", "Sand",
             _("Lambswool, woven in Verviers, brushed once. Warm without weight."),
             [C(_("Sand"), "119.00", 7), C(_("Forest"), "119.00", 2), C(_("Rose"), "119.00", 0, backorder(19, 26))], True),
        Item("HOUR", _("Wall clock, 30 cm"), "Kontor", "clock", "Cream",
             _("A silent movement behind an ash ring. It does not tick, we listened."),
             [C(_("Cream"), "72.00", 12), C(_("Sage"), "72.00", 0, overdue(4)), C(_("Brick"), "72.00", 0, late_backorder(4))]),
        Item("ROOT", _("Root pot"), "Studio Ardenne", "pot", "Clay",
             _("Unglazed, so the plant drinks when it wants to. The plant in the picture is not included; the saucer is."),
             [C("10 cm", "12.00", 48), C("14 cm", "18.00", 15), C("18 cm", "27.00", 0, out(7, 9))]),
        Item("STEM", _("Stem vase"), "Studio Ardenne", "vase", "Sky",
             _("A narrow neck for three branches and no arranging."),
             [C(_("Sky"), "44.00", 6), C(_("Clay"), "44.00", 0, out(12, 16)), C(_("White"), "42.00", 9)]),
        Item("LEAD", _("Drawing pencils, tin of twelve"), "Kontor", "pen", "Ochre",
             _("From 4H to 6B, in cedar that sharpens in one long curl."),
             [C("", "23.00", 29)]),
        Item("WAX", _("Beeswax candle"), "Lund & Daughters", "candle", "Ochre",
             _("Forty hours, and the room smells faintly of summer. Poured by a beekeeper whose bees decide how many there are."),
             [C(_("Small"), "11.00", 64, sold_with(order_minimum=2)), C(_("Large"), "19.00", 0)]),
    ]),
]  # fmt: skip
