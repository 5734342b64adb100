"""Writes documents of a small world with questions and answers, as JSON lines.

    python models/corpus/generate.py --split train --documents 60000 -o train.jsonl
    python models/corpus/generate.py --split test --documents 300 --flat -o test.jsonl

A line is {"context", "questions": [{"question", "answer", "kind"}, ...]}, or with --flat one line per question:
{"context", "question", "answer", "kind"}. The same arguments give the same bytes.

Splits are disjoint in their people: which split a full name belongs to is a hash of it. `test-phrasing` has the people of
`test` and tells and asks in words that no other split uses. `--world large` makes surnames and towns of syllables (7,200
names, for a trainer with the time to learn to spell them), `--world small` takes them from lists, and `--world tiny` from the
first 20 words of each list.
"""

import argparse
import hashlib
import json
import random as random_module
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.corpus import world
from models.corpus.facts import PERSON, PLACE, Relation

Choice = TypeVar("Choice")

SPLITS = ("train", "validation", "test", "test-phrasing")
EXTRACTIVE = ("extract", "where", "when", "how many", "who", "which", "yes/no")
FREE = ("list", "title", "keywords", "rephrase", "continue")


@dataclass
class Person:
    first: str
    last: str
    pronoun: str
    introduced: bool = False

    @property
    def full(self) -> str:
        return f"{self.first} {self.last}"


@dataclass
class Fact:
    relation: Relation
    subject: Person | str  # a person, or the name of a town
    value: str
    words: dict = field(default_factory=dict)
    sentence: str = ""


def split_of(name: str) -> str:
    """The split that a person of this full name belongs to: 80 % train, 10 % validation, 10 % test."""
    bucket = hashlib.sha256(name.encode()).digest()[0]
    return "train" if bucket < 205 else "validation" if bucket < 230 else "test"


class Generator:
    def __init__(self, split: str, seed: int, size: str = "small", kinds: tuple[str, ...] = EXTRACTIVE + FREE) -> None:
        self.random = random_module.Random(f"{split} {seed}")
        self.people_split = split.removesuffix("-phrasing")
        self.unseen = split.endswith("-phrasing")
        self.large = size == "large"
        self.most_words = 20 if size == "tiny" else None
        self.kinds = set(kinds)

    def phrasing(self, choices: Sequence[Choice]) -> Choice:
        """Of three or more phrasings the last is kept for `test-phrasing`."""
        if len(choices) < 3:
            return self.random.choice(choices)
        return choices[-1] if self.unseen else self.random.choice(choices[:-1])

    def choose(self, words: list[str]) -> str:
        """One of a list of the world; of its first 20 in the tiny world."""
        return self.random.choice(words[: self.most_words])

    def person(self, taken: set[str]) -> Person:
        while True:
            woman = self.random.random() < 0.5
            first = self.choose(world.WOMEN if woman else world.MEN)
            last = world.composed_name(self.random) if self.large else self.choose(world.SURNAMES)
            if first not in taken and last not in taken and split_of(f"{first} {last}") == self.people_split:
                taken |= {first, last}
                return Person(first, last, "She" if woman else "He")

    def fact(self, relation: Relation, subject: Person | str, used: set[tuple[str, ...]]) -> Fact:
        while True:
            value = self.choose(relation.values)
            if self.large and relation.values is world.TOWNS and self.random.random() < 0.5:
                value = world.composed_name(self.random)
            if (relation.name, value) not in used:
                used.add((relation.name, value))
                break
        words = {}
        for slot, choices in relation.words.items():
            while True:
                word = self.choose(choices)
                if (relation.name, slot, word) not in used or choices in (world.COLOURS, world.MONTHS):
                    used.add((relation.name, slot, word))
                    words[slot] = word
                    break
        return Fact(relation, subject, value, words)

    def document(self, length: int) -> dict:
        """A document of about `length` words, and its questions."""
        taken, used = set(), set()
        people = [self.person(taken) for _ in range(max(1, min(6, round(length / 22 * self.random.uniform(0.6, 1.3)))))]
        towns = self.random.sample(world.TOWNS[: self.most_words], 2)
        # Facts of one person mostly follow each other; then a pronoun can stand for the person.
        order, facts, words = [], [], 0
        supply = {id(p): self.random.sample(PERSON, len(PERSON)) for p in people}
        place_supply = [(r, t) for t in towns for r in PLACE]
        self.random.shuffle(place_supply)
        current = None
        while words < length - 4:
            if place_supply and self.random.random() < 0.12:
                relation, town = place_supply.pop()
                fact = self.fact(relation, town, used)
                current = None
            else:
                if current is None or self.random.random() < 0.4:
                    current = self.random.choice(people)
                if not supply[id(current)]:
                    people_left = [p for p in people if supply[id(p)]]
                    if not people_left:
                        break
                    current = self.random.choice(people_left)
                fact = self.fact(supply[id(current)].pop(), current, used)
            fact.sentence = self.tell(fact, facts[-1].subject if facts else None)
            facts.append(fact)
            order.append(fact.sentence)
            words += len(fact.sentence.split()) + 1
            if self.random.random() < 0.06:
                order.append(self.random.choice(world.ASIDES))
                words += 5
        return {"context": " ".join(order), "questions": self.questions(facts, order)}

    def tell(self, fact: Fact, previous: Person | str | None) -> str:
        statement = self.phrasing(fact.relation.statements)
        person = fact.subject
        if isinstance(person, str):
            return statement.format(p=person, v=fact.value, **fact.words)
        draw = self.random.random()
        starts = statement.startswith("{p}")
        if not person.introduced:
            mention = person.full
        elif previous is person and starts and draw < 0.4:
            mention = person.pronoun
        else:
            mention = person.first if draw < 0.65 else person.full
        person.introduced = True
        return statement.format(p=mention, v=fact.value, **fact.words)

    def questions(self, facts: list[Fact], order: list[str]) -> list[dict]:
        """Those about single facts, then those about the whole text, shuffled."""
        found = [entry for fact in facts for entry in self.about_fact(fact, facts)] + self.about_text(facts, order)
        kept = [
            {"question": question, "answer": answer, "kind": kind} for kind, question, answer in found if kind in self.kinds
        ]
        self.random.shuffle(kept)
        return kept

    def about_fact(self, fact: Fact, facts: list[Fact]) -> list[tuple[str, str, str]]:
        """(kind, question, answer) of one fact, some of them beside the other facts."""
        found, relation = [], fact.relation
        name = fact.subject if isinstance(fact.subject, str) else fact.subject.full
        rivals = [f for f in facts if f.relation is relation and f is not fact]
        kind, question = self.phrasing(relation.questions)
        found.append((kind, question.format(p=name, v=fact.value, **fact.words), fact.value))
        if relation.reverse and self.random.random() < 0.35:
            found.append(("who", self.phrasing(relation.reverse).format(v=fact.value, **fact.words), name))
        if relation.check and self.random.random() < 0.15:
            truth = self.random.random() < 0.5
            value = fact.value if truth else self.choose([f.value for f in rivals] or relation.values)
            found.append(("yes/no", relation.check.format(p=name, v=value), "yes" if value == fact.value else "no"))
        if relation.compare and rivals and self.random.random() < 0.5:
            rival = self.random.choice(rivals)
            less = self.random.random() < 0.5
            question = self.random.choice(relation.compare if less else relation.compare_more)
            smaller, larger = sorted((fact, rival), key=lambda f: int(f.value))
            found.append(
                ("which", question.format(p=name, q=rival.subject.full), (smaller if less else larger).subject.full)
            )
        if relation.canonical and self.random.random() < 0.1:
            told = relation.statements[0].format(p=name, v=fact.value)
            found.append(("rephrase", relation.canonical.format(p=name), told))
        return found

    def about_text(self, facts: list[Fact], order: list[str]) -> list[tuple[str, str, str]]:
        """(kind, question, answer) of the text as a whole."""
        found = []
        people = list(dict.fromkeys(fact.subject.full for fact in facts if isinstance(fact.subject, Person)))
        if self.random.random() < 0.15 and len(people) > 1:
            found.append(("list", "Who is the text about?", ", ".join(people[:-1]) + " and " + people[-1]))
        if self.random.random() < 0.1 and people:
            found.append(("title", "Give the text a title.", "About " + " and ".join(people[:2])))
        if self.random.random() < 0.1 and len(facts) > 2:
            found.append(("keywords", "Name three keywords.", ", ".join(fact.value for fact in facts[:3])))
        if self.random.random() < 0.1 and len(order) > 1:
            i = self.random.randrange(len(order) - 1)
            if order.count(order[i]) == 1:
                found.append(("continue", f"What comes after this: {order[i]}", order[i + 1]))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", choices=("tiny", "small", "large"), default="small")
    parser.add_argument(
        "--words",
        type=int,
        nargs=2,
        default=(20, 110),
        metavar=("LEAST", "MOST"),
        help="length of a document, drawn uniformly",
    )
    parser.add_argument("--kinds", default=",".join(EXTRACTIVE + FREE), help="question kinds, separated by commas")
    parser.add_argument("--questions", type=int, default=0, help="most questions of a document; 0: all")
    parser.add_argument("--flat", action="store_true", help="one line per question")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    generator = Generator(arguments.split, arguments.seed, arguments.world, tuple(arguments.kinds.split(",")))
    with arguments.output.open("w", encoding="utf-8") as out:
        for _ in range(arguments.documents):
            document = generator.document(generator.random.randint(*arguments.words))
            if arguments.questions:
                document["questions"] = document["questions"][: arguments.questions]
            lines = [document]
            if arguments.flat:
                lines = [{"context": document["context"], **question} for question in document["questions"]]
            for line in lines:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
