"""What can be said about a person or a town, in which words, and what can be asked.

The last phrasing of a statement or question that has three or more is never used in training: it is what the split
`test-phrasing` is written in.
"""

from dataclasses import dataclass, field

from models.corpus import world


@dataclass(frozen=True)
class Relation:
    """A fact kind. In statements {p} is the person (or pronoun), {v} the value that is asked for, {w} {x} further words."""

    name: str
    statements: list[str]
    questions: list[tuple[str, str]]  # (kind, question about {p}); the answer is {v}
    values: list[str]
    reverse: list[str] = field(default_factory=list)  # questions that give {v}; the answer is the person
    check: str = ""  # yes/no question with {p} and {v}
    compare: tuple[str, ...] = ()  # questions with {p} and {q} whose answer has the smaller number
    compare_more: tuple[str, ...] = ()  # ... the larger number
    canonical: str = ""  # a request to rephrase, with {p}; the answer is statements[0] with the full name
    words: dict = field(default_factory=dict)  # choices for {w} and {x}


PERSON = [
    Relation("trade", ["{p} is a {v}.", "{p} works as a {v}.", "{p} has been a {v} for years.", "{p} makes a living as a {v}."],
             [("extract", "What is the trade of {p}?"), ("extract", "What does {p} work as?"),
              ("extract", "What is {p} by trade?")],
             world.TRADES, ["Who is a {v}?", "Who works as a {v}?", "Which person is a {v}?"], "Is {p} a {v}?",
             canonical="Rephrase what is said about the trade of {p}."),
    Relation("home", ["{p} lives in {v}.", "{p} has a house in {v}.", "The home of {p} is in {v}.", "{p} has settled in {v}."],
             [("where", "Where does {p} live?"), ("where", "Where is the home of {p}?"),
              ("where", "In which town does {p} live?")],
             world.TOWNS, ["Who lives in {v}?", "Who has a house in {v}?", "Whose home is in {v}?"], "Does {p} live in {v}?",
             canonical="Rephrase what is said about the home of {p}."),
    Relation("origin", ["{p} comes from {v}.", "{p} grew up in {v}.", "{p} spent a childhood in {v}."],
             [("where", "Where does {p} come from?"), ("where", "Where did {p} grow up?"),
              ("where", "Which town does {p} come from?")],
             world.TOWNS, ["Who comes from {v}?", "Who grew up in {v}?"], "Does {p} come from {v}?"),
    Relation("birth", ["{p} was born in {v}.", "{p} came into the world in {v}.", "The birth year of {p} is {v}."],
             [("when", "When was {p} born?"), ("when", "In which year was {p} born?"),
              ("when", "What is the birth year of {p}?")],
             world.YEARS, ["Who was born in {v}?"], "Was {p} born in {v}?",
             ("Who is older, {p} or {q}?", "Who was born first, {p} or {q}?"), ("Who is younger, {p} or {q}?",)),
    Relation("purchase", ["{p} bought a {w} {x} for {v} coins.", "{p} paid {v} coins for a {w} {x}.",
                          "For {v} coins {p} got a {w} {x}."],
             [("how many", "How many coins did {p} pay?"), ("how many", "How much did {p} pay for the {x}?"),
              ("how many", "What did the {x} of {p} cost?")],
             world.NUMBERS, ["Who paid {v} coins?"], "Did {p} pay {v} coins?",
             ("Who paid less, {p} or {q}?",), ("Who paid more, {p} or {q}?",),
             words={"w": world.COLOURS, "x": world.OBJECTS}),
    Relation("gift", ["{p} was given a {w} {v} in {x}.", "In {x} {p} received a {w} {v}."],
             [("extract", "What was {p} given?"), ("extract", "What did {p} receive?")],
             world.OBJECTS, ["Who was given a {v}?"], "Was {p} given a {v}?",
             words={"w": world.COLOURS, "x": world.MONTHS}),
    Relation("pet", ["{p} has a {w} called {v}.", "{p} owns a {w} named {v}.", "A {w} by the name of {v} belongs to {p}."],
             [("extract", "What is the {w} of {p} called?"), ("extract", "What is the name of the {w} of {p}?")],
             world.PET_NAMES, ["Who owns {v}?", "To whom does {v} belong?"], words={"w": world.PETS}),
    Relation("herd", ["{p} keeps {v} {w}.", "{p} looks after {v} {w}.", "{p} has {v} {w} behind the house."],
             [("how many", "How many {w} does {p} keep?"), ("how many", "How many {w} does {p} have?")],
             world.NUMBERS, ["Who keeps {w}?"], words={"w": world.HERDS}),
    Relation("music", ["{p} plays the {v}.", "{p} is learning the {v}.", "In the evening {p} practises the {v}."],
             [("extract", "What does {p} play?"), ("extract", "Which instrument does {p} play?")],
             world.INSTRUMENTS, ["Who plays the {v}?", "Who practises the {v}?"], "Does {p} play the {v}?"),
    Relation("food", ["{p} likes {v}.", "{p} is fond of {v}.", "{p} never says no to {v}."],
             [("extract", "What does {p} like?"), ("extract", "What is {p} fond of?")],
             world.FOODS, ["Who likes {v}?"], "Does {p} like {v}?"),
    Relation("journey", ["{p} went to {w} in {v}.", "In {v} {p} travelled to {w}.", "{p} made a journey to {w} in {v}."],
             [("when", "When did {p} go to {w}?"), ("when", "When did {p} travel to {w}?")],
             world.MONTHS, ["Who went to {w}?"], words={"w": world.TOWNS}),
    Relation("lesson", ["{p} teaches on {v}.", "{p} gives lessons on {v}."],
             [("when", "On which day does {p} teach?"), ("when", "When does {p} give lessons?")],
             world.WEEKDAYS, ["Who teaches on {v}?"]),
]

PLACE = [  # {p} is a town
    Relation("event", ["The {w} in {p} is held in {v}.", "In {p} the {w} takes place in {v}.", "{p} holds its {w} in {v}."],
             [("when", "When is the {w} in {p}?"), ("when", "In which month is the {w} held in {p}?")],
             world.MONTHS, words={"w": world.EVENTS}),
    Relation("buildings", ["{p} has {v} {w}.", "There are {v} {w} in {p}."],
             [("how many", "How many {w} are there in {p}?"), ("how many", "How many {w} does {p} have?")],
             world.NUMBERS, words={"w": world.BUILDINGS}),
    Relation("founded", ["{p} was founded in {v}.", "The town of {p} goes back to {v}."],
             [("when", "When was {p} founded?"), ("when", "In which year was {p} founded?")],
             world.YEARS),
]
