"""One small WARC file for whole-way tests: good pages, copies, and pages that the recipe ``fineweb`` drops."""

from pathlib import Path

from tests.curation.small_warcs import page, write_warc

MILL = [
    "The old mill by the river was rebuilt last year after a long campaign by people from the village.",
    "Its wheel had stood still since the flood of 1953, when half of the dam was carried away in one night.",
    "Two carpenters, a smith and dozens of volunteers worked on it every weekend from spring until November.",
    "Visitors can now watch wheat and rye being ground, and take a small bag of flour home with them.",
    "The money came from a lottery, from the county, and from a concert that filled the church twice.",
    "Children like the eel ladder best, because eels really do climb it when the water is high enough.",
    "A baker from the next town has promised to use the flour for a loaf that he will name after the miller.",
    "Opening hours depend on how much rain has fallen, so it is wise to telephone before a long journey.",
]
HARBOUR = [
    "Fishing boats leave the harbour before dawn and come back around noon with crates of herring and crab.",
    "The auction takes less than an hour, and most of what is sold there reaches restaurants the same evening.",
    "Until the railway came in 1884, salt fish went inland on carts over a road that was often flooded.",
    "Today only eleven families still live from the sea, though many more repair engines or paint hulls.",
    "A small museum behind the ice house keeps logbooks, nets, and a whale bone found by a schoolgirl.",
    "Its keeper tells stories of smugglers with so much detail that some listeners suspect he was one.",
    "In winter the piers are empty, and the wind sings in the masts loudly enough to keep strangers awake.",
    "Plans for a ferry to the islands have been discussed for twenty years without any decision being made.",
]
BEES = [
    "Keeping bees in a city is easier than it sounds, provided that neighbours are asked before a hive arrives.",
    "Lime trees, clover in the parks and flowering balconies give them food from March to the end of September.",
    "A colony needs water close by, or else it will collect it from swimming pools and open drinks.",
    "Beginners should join a club first, since nothing replaces watching an experienced person open a hive.",
    "Most losses happen in February, when stores run out while cold weather keeps the cluster from moving.",
    "Honey from different streets can taste of mint, of chestnut or, as one judge put it, of warm cardboard.",
    "Swarms look frightening but are gentle, because each bee is full of honey and has no home to defend.",
    "Records of weight and weather, kept over several years, teach more than any book about the subject.",
]
SKY = [
    "The observatory on the hill is open to visitors on the first Sunday of the month, weather permitting.",
    "Its largest telescope was made in Jena and carried up the slope in pieces by soldiers on leave.",
    "Saturn draws the longest queue, although astronomers themselves prefer to show double stars of two colours.",
    "Street lamps in the valley are dimmed after eleven, an agreement reached only after years of argument.",
    "Pupils from three schools measure how the brightness of one variable star changes during each term.",
    "Their results are sent to a catalogue in Massachusetts, where amateurs have contributed for a century.",
    "Warm clothes are essential, since the dome must stay as cold as the night outside to give sharp images.",
    "Anybody who fears the climb may follow the observation on a screen in the cafe next to the car park.",
]
TRAINS = [
    "Night trains disappeared from this line in 2003 and returned, to general surprise, eighteen years later.",
    "Passengers board shortly after nine, unfold a bunk, and wake up beside a lake six hundred kilometres south.",
    "The company buys second-hand carriages, strips them to the steel, and fits new windows and quieter brakes.",
    "Breakfast is simple: bread, jam, strong coffee, and whatever fruit the attendant found at the market.",
    "Tickets cost about as much as a cheap flight with luggage, but no hotel needs to be paid for.",
    "Delays are common near the border because locomotives have to be changed and drivers speak other languages.",
    "Cyclists complain that there is room for only six bicycles, a number that sells out within minutes.",
    "Nobody expected the service to make a profit so soon, least of all the engineers who had planned it.",
]
GERMAN = [
    "Der Rat der Stadt hat am Montag beschlossen, die alte Mühle am Fluss wieder aufzubauen, und viele freuen sich.",
    "Die Bürger hatten lange darauf gewartet, zahlreiche Briefe geschrieben und bei jedem Fest Geld gesammelt.",
    "Im nächsten Frühjahr sollen die Arbeiten beginnen, sofern das Wetter es zulässt und genug Holz da ist.",
]
ADVERTISEMENT = "Buy our wonderful garden chairs today and save a lot of money on every single one of them."
GOOD = {"mill": MILL, "harbour": HARBOUR, "bees": BEES, "sky": SKY, "trains": TRAINS}
"""What the recipe ``fineweb`` keeps."""


def pages() -> list[tuple[str, bytes]]:
    """Twelve pages (URL, HTML): five are kept, three are copies, four break a rule."""
    texts = {
        **GOOD,
        "mill-copied": MILL,
        "harbour-nearly": [*HARBOUR[:-1], HARBOUR[-1].replace("without any decision being made", "in vain")],
        "german": GERMAN,
        "short": ["Too little is said here to be of any use."],
        "spam": [*BEES[:3], *[ADVERTISEMENT] * 9],
        "placeholder": [
            *TRAINS[4:],
            *SKY[4:],
            "Lorem ipsum dolor sit amet is what the printers used to write.",
        ],
    }
    found = [(f"https://www.example.org/{place}", page(text, place)) for place, text in texts.items()]
    return [*found, (found[0][0], page(MILL, "fetched twice"))]


def write_story(folder: Path, name: str = "story.warc.gz") -> Path:
    """The pages as a ``.warc.gz`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_warc(folder / name, pages())
