"""Questions that a passage's own sentences answer, made by rules."""

import random
import re
from collections import Counter

Question = tuple[str, str, str]  # kind, question, answer

IRREGULAR = dict(
    pair.split(":")
    for pair in (
        "went:go came:come took:take saw:see made:make gave:give found:find had:have told:tell got:get brought:bring bought:buy "
        "caught:catch held:hold kept:keep left:leave lost:lose met:meet put:put ran:run sent:send heard:hear knew:know drew:draw "
        "ate:eat wrote:write won:win built:build began:begin became:become threw:throw stood:stand sat:sit set:set led:lead "
        "felt:feel thought:think chose:choose drank:drink drove:drive wore:wear stole:steal sold:sell shot:shoot rode:ride "
        "paid:pay laid:lay cut:cut broke:break carried:carry married:marry tried:try cried:cry used:use called:call loved:love "
        "lived:live moved:move received:receive gathered:gather opened:open needed:need passed:pass asked:ask killed:kill"
    ).split()
)
PAST = "|".join(IRREGULAR) + r"|[a-z]{3,}ed"
NAME = (
    r"(?:(?:The|A|An|His|Her|Their|My|Our|This|That) (?:[a-z]+[ -]){0,2}[a-z]+"
    r"|[A-Z][a-zA-Z'’-]+(?: (?:of |the |de |van )?[A-Z][a-zA-Z'’-]+){0,3})"
)
REST = r"[^.;:!?,\"“”]"
NOT_NAMES = set(
    "He She It They I We You This That These Those There Then And But When If As In On At So For What Who How Now After Before "
    "All One Some No Yes Oh Not Here His Her Its Their To By With From While Once Even Just Only Such Each Every Both Many Most "
    "Chapter CHAPTER".split()
)
NUMBER = r"(?:\d[\d,.]*\d|\d|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred)"
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
TIME = rf"\b(1\d\d\d|20\d\d|{MONTHS}|morning|evening|night|day|Monday|Sunday|Friday)\b"
PERSON = (
    r"(man|woman|king|queen|prince|princess|boy|girl|lad|wife|mother|father|son|daughter|brother|sister|giant|witch|lady|knight"
    r"|fox|wolf|bear|bird|dog|cat|fairy|maid|servant|soldier|captain|doctor|child|children|people|men|women)s?$"
)
PLACES = dict(from_="From where", with_="With whom or what", for_="For whom or what")
SINGLE_E = r"([^aeiou][aeiou][^aeiouwxy]|[csvzu]|[^aeiou]l|[aeiou]g|ng|at|it|ir|ur)$"
NO_E = r"(en|er|on|or|it|ck|ss|sh|ch|tt|el)$"


def infinitive(past: str) -> str:
    """carried -> carry, stopped -> stop, closed -> close."""
    if past in IRREGULAR:
        return IRREGULAR[past]
    if past.endswith("ied"):
        return past[:-3] + "y"
    stem = past[:-2]
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz":
        return stem[:-1]
    return stem + "e" if re.search(SINGLE_E, stem) and not re.search(NO_E, stem) else stem


def inside(text: str) -> str:
    """As it stands in the middle of a sentence: names keep their capital."""
    first = text.split()[0]
    article = first in ("The", "A", "An", "My", "Our") or first in NOT_NAMES
    return text[0].lower() + text[1:] if article or not re.match(r"[A-Z][\w'’-]*( [A-Z]|$)", text) else text


def who(name: str) -> str:
    """The word that asks for it."""
    return "Who" if not re.match(r"(The|A|An|This|That) ", name) or re.search(PERSON, name) else "What"


def named(name: str) -> bool:
    return name.split()[0] not in NOT_NAMES


def sentences(passage: str) -> list[str]:
    parts = re.split(r"(?<=[.!?])[\"”']?\s+(?=[\"“A-Z])", passage)
    return [part.strip() for part in parts if 20 <= len(part.strip()) <= 400]


def first_words(text: str, count: int) -> str:
    return " ".join(text.split()[:count])


# ---- Rules: a sentence -> questions ----------------------------------------------------------------------------------------


def of_deeds(s: str) -> list[Question]:
    """The king built a tower."""
    m = re.match(rf"({NAME}) ({PAST}) ([^.;:!?\"“”]{{6,90}}?)(?:[,.;:!?]|$)", s)
    if not m or not named(m[1]):
        return []
    return [
        ("who", f"{who(m[1])} {m[2]} {first_words(m[3], 14)}?", inside(m[1])),
        ("what", f"What did {inside(m[1])} {infinitive(m[2])}?", m[3]),
    ]


def of_places(s: str) -> list[Question]:
    """She found a ring under the stone."""
    m = re.match(
        rf"({NAME}|He|She|They) ({PAST}) ({REST}{{3,50}}?) (in|at|to|into|from|on|near|under|through|with|for) "
        rf"({REST}{{3,40}})[,.;:!?]",
        s,
    )
    if not m or not (named(m[1]) or m[1] in ("He", "She", "They")):
        return []
    word = PLACES.get(m[4] + "_", "Where")
    if m[4] in ("in", "on", "at") and re.search(TIME, m[5]):
        word = "When"
    return [("where", f"{word} did {inside(m[1])} {infinitive(m[2])} {m[3]}?", m[5])]


def of_being(s: str) -> list[Question]:
    """Oslo is the capital of Norway."""
    m = re.match(rf"({NAME}) (is|was|are|were) ((?:an?|the) [^,.;:!?]{{5,70}})[,.;:!?]", s)
    if not m or not named(m[1]):
        return []
    word = who(m[1])
    return [("is", f"{word} {m[2]} {inside(m[1])}?", m[3]), ("is", f"{word} {m[2]} {m[3]}?", inside(m[1]))]


def of_reasons(s: str) -> list[Question]:
    m = re.search(r"([A-Z][^.;:!?\"“”]{15,100}?),? (because|so that|in order to|for fear) ([^.;:!?\"“”]{8,80})[,.;:!?]", s)
    return [("why", f"Why was it that {inside(m[1])}?", f"{m[2]} {m[3]}")] if m else []


def of_numbers(s: str) -> list[Question]:
    found = re.finditer(rf"\b({NUMBER}) ((?:[a-z]+ )?[a-z]+s)\b({REST}{{0,40}})", s)
    return [("many", f"How many {m[2]}{m[3]}?", m[1]) for m in found]


def of_years(s: str) -> list[Question]:
    m = re.search(
        r",? ?\b(?:[Ii]n|[Oo]n|[Ss]ince|[Bb]y) ((?:[A-Z][a-z]+ )?(?:\d{1,2},? )?(?:1[0-9]{3}|20[0-9]{2}))\b,? ?", s
    )
    rest = (s[: m.start()] + " " + s[m.end() :]).strip(" .,") if m else ""
    return [("when", f"When was it that {first_words(inside(rest), 22)}?", m[1])] if m and len(rest) > 15 else []


def of_gaps(s: str, chance: random.Random) -> list[Question]:
    """A name or a number left out."""
    spots = list(re.finditer(r"(?<=[a-z,] )(?:[A-Z][a-zA-Z'’-]+(?: [A-Z][a-zA-Z'’-]+)*|\d[\d,.]*\d)\b", s))
    if not spots or chance.random() > 0.2:
        return []
    m = chance.choice(spots)
    left, right = " ".join(s[: m.start()].split()[-14:]), first_words(s[m.end() :], 14)
    return [("gap", f'What fills the gap in "{left} ____ {right}"?', m[0])]


def of_speech(passage: str) -> list[Question]:
    verbs = "said|cried|asked|answered|replied|shouted|exclaimed|called|whispered"
    found = re.finditer(
        rf"[\"“]([^\"“”]{{8,140}}?)[,!?.]?[\"”],? (?:{verbs}) "
        r"((?:the|his|her|an?|old|little) (?:[a-z]+[ -])?[a-z]+|[A-Z][a-z]+(?: [A-Z][a-z]+)?)\b",
        passage,
    )
    made: list[Question] = []
    for m in found:
        made += [("said", f'Who said "{first_words(m[1], 18)}"?', m[2]), ("say", f"What did {m[2]} say?", m[1])]
    return made


def proper(question: str, answer: str) -> bool:
    return 1 <= len(answer.split()) <= 16 and len(answer) < 110 and len(question.split()) <= 34 and len(question) < 240


def make(passage: str, chance: random.Random, most: int = 8, of_a_kind: int = 2) -> list[Question]:
    """At most `most`, in a random order; every answer stands in the passage, but for a capital at its beginning."""
    found = of_speech(passage)
    for s in sentences(passage):
        for rule in (of_deeds, of_places, of_being, of_reasons, of_numbers, of_years):
            found += rule(s)
        found += of_gaps(s, chance)
    chance.shuffle(found)
    kinds: Counter[str] = Counter()
    made = []
    for kind, question, answer in found:
        question, answer = re.sub(r"\s+", " ", question).strip(), answer.strip(" ,;:\"“”'")
        if kinds[kind] < of_a_kind and proper(question, answer):
            kinds[kind] += 1
            made.append((kind, question, answer))
    return made[:most]


def passages(text: str, chance: random.Random) -> list[str]:
    """A text cut into passages of 250 to 2,300 characters, at spaces."""
    text = re.sub(r"\s+", " ", text.replace("_", ""))
    found, at = [], chance.randrange(max(1, min(800, len(text) // 4)))
    while len(text) - at > 120:
        size = chance.choice([250, 500, 900, 1300, 1800, 2300])
        part = text[at : at + size]
        at += size
        found.append(part[part.find(" ") + 1 : part.rfind(" ")])
    return found
