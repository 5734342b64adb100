"""The words of the world that the corpus tells about."""

from random import Random

WOMEN = """Ada Alma Anna Bella Cara Clara Dora Edith Ella Emma Esther Flora Freya Greta Hanna Hilda Ida Ines Irma Jana
Karla Laura Lena Lotte Lucia Mara Maria Mina Nadia Nora Olga Paula Petra Rita Rosa Sara Selma Tilda Vera Wanda""".split()

MEN = """Adam Alan Anton Arno Bela Boris Bruno Carl Daniel David Edgar Emil Erik Felix Frank Georg Hugo Ivan Jacob Jonas
Karl Leo Louis Marco Martin Max Milo Nils Oscar Otto Paul Peter Ralph Robert Samuel Simon Theo Tomas Victor Walter""".split()

SURNAMES = """Abel Archer Banks Berg Black Blum Brand Brook Carter Cole Conrad Crane Dahl Drake Ebner Falk Ferris Finch
Fischer Fox Frost Garner Gold Grant Hale Hart Hill Holm Horn Hunt Keller King Klein Lake Lane Lind Lund Marsh Mason Miller
Moore Nash North Page Parker Pike Reed Rivers Rose Sand Shaw Snow Steele Stone Storm Vance Wells West Winter Wolf""".split()

TOWNS = """Arden Aston Barlow Bergen Bristol Calder Carlow Corby Dalton Derby Dover Dunmore Elston Fairford Felton Galway
Garston Glenn Hadley Halden Harlow Haven Hilton Kelso Kendal Kinross Langford Leeds Lisbon Luton Malden Marlow Melrose Milan
Newport Norwich Oakham Oslo Oxford Porto Preston Ripley Selby Stanton Truro Turin Walton York""".split()

TRADES = """baker barber blacksmith brewer builder butcher carpenter chemist clerk cook dentist doctor driver farmer
fisherman florist gardener glazier grocer hunter jeweller judge lawyer librarian locksmith mechanic miner nurse painter pilot
plumber potter printer sailor sculptor shepherd tailor teacher waiter weaver""".split()

OBJECTS = """bag basket bed bell bicycle blanket boat book bowl box candle carpet cart chair chest clock coat cup desk drum
globe hammer hat kettle knife ladder lamp map mirror piano pot ring rug saddle scarf sofa table tent vase""".split()

COLOURS = "black blue brown golden green grey pink purple red white yellow".split()

PETS = "cat dog donkey goose hamster horse lizard mouse parrot pony rabbit snake turtle".split()

PET_NAMES = "Amber Bingo Biscuit Button Cookie Dusty Ginger Hazel Muffin Nugget Pepper Rusty Socks Toffee Waffles Ziggy".split()

HERDS = "bees chickens cows deer ducks geese goats horses pigs pigeons rabbits sheep".split()

EVENTS = """auction ball circus concert exhibition fair feast festival market parade race regatta tournament
wedding""".split()

MONTHS = "January February March April May June July August September October November December".split()

WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

INSTRUMENTS = "accordion cello clarinet flute guitar harp oboe organ trumpet viola violin zither".split()

FOODS = "apples bread cake cheese cherries fish honey noodles olives pears pies plums rice soup".split()

BUILDINGS = "bridges churches farms hotels inns mills parks schools shops towers".split()

YEARS = [str(year) for year in range(1940, 2000)]

NUMBERS = [str(number) for number in range(2, 41)]

ASIDES = ["It rained all week.", "The streets were quiet.", "Nobody was surprised.", "The wind came from the sea.",
          "It was a long winter.", "The papers wrote about it.", "Everyone had heard of it.", "The evenings were warm."]

SYLLABLES_FIRST = """Al Bar Bel Cal Cor Dal Dor El Fal Gar Gren Hal Hol Kar Kel Lor Mal Mer
Nor Or Pel Quen Ral Sel Tal Tor Ul Val Wel Yar""".split()
SYLLABLES_MIDDLE = "a an e en i in o on u ar er or".split()
SYLLABLES_LAST = "bek dahl den ford gate ham holm kin ley low mere mont nes rick sen ster ton val wick worth".split()


def composed_name(random: Random) -> str:
    """One of 7,200 names made of syllables, for the large world."""
    return random.choice(SYLLABLES_FIRST) + random.choice(SYLLABLES_MIDDLE) + random.choice(SYLLABLES_LAST)
