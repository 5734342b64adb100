"""Random templates over the whole grammar: expressions with every filter, test and method, formats, and statements."""

import random
from collections.abc import Sequence
from typing import Any

VARIABLES = {
    "i": 3, "n": -7, "z": 0, "big": 10**20, "f": 2.5, "nf": -0.125, "s": "Hello, wörld", "e": "", "sp": "  a b\tc\n d ",
    "html": "<a href=\"x\">T&amp;</a> 'q'", "t": True, "fl": False, "no": None, "l": [3, 1, 2], "ls": ["b", "A", "c", "a"],
    "le": [], "lm": [1, "a", None, True, 2.0], "d": {"a": 1, "b": "x", "c": [1, 2]}, "nested": [[1, 2], [3, [4, 5]]],
    "ld": [{"n": "x", "v": 2, "w": {"k": 1}}, {"n": "Y", "v": 1, "w": {"k": 2}}, {"n": "x", "v": 3}], "uni": "é😀ǆß İ",
    "messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": "Hi 100%"}],
}
NAMES = [*VARIABLES, "undef"]
PATHS = ["'role'", "'n'", "'w.k'", "'content'", "'v'"]
TEXTS = [
    "''", "'a'", "'b'", "' '", "'lo'", "', '", "'<b>'", "'é'", "'A-b c'", "'x y  z'", "'%s'", "'%d-%s'", "'{} {}'", "'{0}:{a}'",
    "'\\n'", "'12'", "'-3.5'", "'0x1f'", "'abc'", '"it\'s"', "'a.b'", *PATHS,
]
NUMBERS = ["0", "1", "2", "3", "-1", "-2", "5", "10", "0.5", "1.5", "2.675", "1e3", "1e-7", "100", "1_000", "0x1F", "1e16",
           "123456789012345678901234567890"]

# In filters, tests and methods: E an expression, T a text, P a path, N a small number, B a boolean.
FILTERS = """abs|attr(T)|batch(N) | list|batch(2, '-') | list|capitalize|center(N)|count|length|default(E)|default(E, true)|d
dictsort|dictsort(B, 'key', B)|dictsort(by='value')|e|escape|filesizeformat|filesizeformat(true)|first|last|float|float(E)
forceescape|format(E)|format(E, E)|format(a=E)|groupby(P)|groupby(P, case_sensitive=B)|groupby('zz', default=T)|indent|indent(N, B, B)
indent('>')|int|int(N)|int(0, 16)|int(default=N, base=0)|join|join(T)|join(T, attribute=P)|list|lower|items | list|map('upper') | list
map('length') | list|map('first') | list|map('nosuch') | list|map('replace', 'a', 'b') | list|map(attribute=P) | list
map(attribute=P, default=T) | list|min|max|max(attribute=P)|min(true)|pprint|reject('odd') | list|reject('none') | list
rejectattr(P, 'equalto', E) | list|selectattr(P) | list|selectattr(P, 'equalto', T) | list|select('string') | list|select('gt', N) | list
select | list|replace(T, T)|replace(T, T, N)|reverse | list|round|round(N)|round(N, 'ceil')|round(1, 'floor')|safe|slice(N) | list
slice(3, 9) | list|sort|sort(B)|sort(attribute=P)|sort(attribute='n,v')|sort(case_sensitive=true)|string|striptags|sum|sum(attribute='v')
sum(start=E)|title|trim|trim(T)|truncate(N)|truncate(5, true, T, 0)|unique | list|unique(attribute=P) | list|upper|urlencode|urlize
urlize(4, true)|wordcount|wordwrap(N)|wordwrap(4, false)|xmlattr|tojson|tojson(indent=N)|tojson(indent='>')|tojson(ensure_ascii=true)
tojson(separators=(',', ':'))|tojson(sort_keys=true)"""
TESTS = """odd|even|divisibleby 2|divisibleby N|defined|undefined|none|boolean|false|true|integer|float|lower|upper|string|mapping|number
sequence|iterable|callable|sameas none|sameas true|escaped|in ls|in(E)|eq(E)|equalto(E)|ne(E)|gt(E)|lt(E)|ge(E)|le(E)|filter|test"""
METHODS = """capitalize()|casefold()|center(N, '*')|count(T)|count(T, N, N)|endswith(T)|startswith(T)|startswith(('H', T))
startswith(T, N)|expandtabs()|expandtabs(4)|find(T)|find(T, N)|index(T)|rfind(T)|rindex(T)|format(E, a=E)|isalnum()|isalpha()|isascii()
isdecimal()|isdigit()|isidentifier()|islower()|isnumeric()|isprintable()|isspace()|istitle()|isupper()|join(E)|ljust(N)|rjust(N, '.')
lower()|upper()|lstrip()|lstrip(T)|rstrip(T)|strip()|strip(T)|partition(T)|rpartition(T)|removeprefix(T)|removesuffix(T)|replace(T, T)
replace(T, T, N)|split()|split(T)|split(T, N)|split(none, N)|split(maxsplit=N)|rsplit(T, N)|rsplit(none, N)|splitlines()
splitlines(true)|swapcase()|title()|zfill(N)|get(T)|get(T, E)|items()|keys()|values()|items() | list|copy()|index(E)|count(E)|append(1)
pop()|update({})|__class__|bit_length()|is_integer()|translate({97: 'X'})|format_map({'a': E})"""
STATEMENTS = [
    '{% set j = joiner("|") %}{{ j() }}{{ j() }}', '{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.current }}',
    "{{ dict(a=1, **d) }}", "{{ dict([(1, 2)]) }}", "{{ range(3) }}{{ range(2, 9, 3)[1:] }}", "{% print 1, s %}",
    '{{ strftime_now("%Y-%m-%d %H:%M %c %x %X %-d %j %U %W %V %e %p %I %y %%") }}', "{% generation %}g{{ s }}{% endgeneration %}",
    "{{ unknown() }}", "{% if z %}{{ s | nosuch }}{% endif %}", "{{ (s | nosuch) if z else 1 }}", "{% break %}",
    "{% set ns = namespace(a=1) %}{% set ns.a = E %}{{ ns.a }}", "{% set k, v = 1, 2 %}{{ k }}{{ v }}",
    "{% for x in nested recursive %}{{ x if x is number }}{% if x is iterable %}[{{ loop(x) }}]{% endif %}{% endfor %}",
]
LOOP = ["", "{{ loop.index }}{{ loop.last }}", "{{ loop.changed(x) }}", "{{ loop.previtem }}|{{ loop.nextitem }}", "{{ loop.depth }}{{ loop }}",
        "{{ loop.cycle(1, 2) }}{{ loop.revindex }}{{ loop.length }}", "{% if loop.index0 == 1 %}{% break %}{% endif %}",
        "{% if loop.first %}{% continue %}{% endif %}"]
CALLS = ["{{ m(1) }}", "{{ m(1, 2, 3) }}", "{{ m(x=2, z=3) }}", "{{ m(*l) }}", "{{ m(**d) }}", "{% call m(5) %}c{{ x }}{% endcall %}",
         "{% call(q) m(5) %}c{{ q }}{% endcall %}", "{{ m.name }}{{ m.arguments }}{{ m }}"]
DATA = ["a", "\n", "  ", "\n  ", "x\n", "<p>", "\t\n", " {# c #} ", "{#- c -#}\n", "  {# z #}\n", "{% raw %}{{ q }}{% endraw %}",
        "{%- raw -%} r {%- endraw %}\n"]


class Grammar:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, choices: Sequence[Any]) -> Any:
        return self.random.choice(choices)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def filled(self, form: str, depth: int) -> str:
        """A form with what its capital letters stand for."""
        makers = {"E": lambda: self.expression(depth), "T": lambda: self.one(TEXTS), "P": lambda: self.one(PATHS),
                  "N": lambda: self.one(["0", "1", "2", "3", "5", "12", "-1"]), "B": lambda: self.one(["true", "false"])}
        quoted, made = False, []
        for at, letter in enumerate(form):
            quoted ^= letter == "'"
            alone = not (form[at - 1:at] + form[at + 1:at + 2]).strip("(), =:}{").strip()
            made.append(makers[letter]() if letter in makers and not quoted and alone else letter)
        return "".join(made)

    def listed(self, forms: str, depth: int) -> str:
        return self.filled(self.one(forms.replace(" | ", "\0").replace("\n", "|").split("|")).replace("\0", " | "), depth)

    def leaf(self) -> str:
        kinds = [NAMES, NAMES, NAMES, TEXTS, NUMBERS, ["true", "false", "none", "[]", "{}", "()", "range(3)", "range(1, 9, 2)"]]
        return self.one(self.one(kinds))

    def subject(self, depth: int) -> str:
        return self.one([*NAMES, "'Hello'", "[1, 2, 3, 4]", "(1, 2, 3)", "'a,b,,c'"]) if self.chance(0.9) else f"({self.expression(depth)})"

    def slice(self) -> str:
        bound = lambda: self.one(["", "", "1", "-1", "2", "-3", "9", "999999999999999999999"])  # noqa: E731
        return f"{self.one(['s', 'l', 'ls', 'uni', 'nested', 'sp'])}[{bound()}:{bound()}{self.one(['', ':', ':-1', ':2', ':-2'])}]"

    def expression(self, depth: int) -> str:
        if depth <= 0 or self.chance(0.12):
            return self.leaf()
        inner = lambda: self.expression(depth - 1)  # noqa: E731
        several = lambda: ", ".join(inner() for _ in range(self.random.randint(0, 3)))  # noqa: E731
        kinds = [
            lambda: f"({inner()} {self.one('+ - * / // % ~ ~ + *'.split())} {inner()})",
            lambda: f"({inner()} {self.one(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in', 'and', 'or'])} {inner()})",
            lambda: f"({self.one(['not ', '-', '+'])}{inner()})",
            lambda: f"({inner()} if {inner()} else {inner()})" if self.chance(0.8) else f"({inner()} if {inner()})",
            lambda: f"[{several()}]",
            lambda: "{" + ", ".join(f"{self.one(TEXTS)}: {inner()}" for _ in range(self.random.randint(0, 3))) + "}",
            lambda: f"({inner()}, {inner()})",
            lambda: f"{self.subject(depth - 1)}[{self.one([inner(), self.one(TEXTS), self.one(NUMBERS)])}]",
            self.slice,
            lambda: f"{self.subject(depth - 1)}.{self.one(['a', 'b', 'n', 'role', 'content', 'undef'])}",
            *[lambda: f"({inner()} | {self.listed(FILTERS, depth - 2)})"] * 5,
            *[lambda: f"({inner()} is {self.one(['', 'not '])}{self.listed(TESTS, depth - 2)})"] * 2,
            *[lambda: f"{self.subject(depth - 1)}.{self.listed(METHODS, depth - 2)}"] * 4,
        ]
        return self.one(kinds)()

    def formatted(self) -> str:
        value = self.one(["i", "n", "f", "nf", "s", "big", "t", "z", "no", "1234567", "0.00001234", "1e22", "123456.789", "65", "1e100", "uni"])
        if self.chance(0.5):
            spec = "".join(self.one(part) for part in (
                ["", "<", ">", "^", "=", "*^", "0"], ["", "+", " ", "-"], ["", "#"], ["", "3", "10"], ["", "", ",", "_"],
                ["", "", ".0", ".2", ".10"], ["", "", "d", "f", "e", "g", "x", "X", "o", "b", "s", "%", "n", "G", "E"]))
            return "{{ '{:" + spec + "}'.format(" + value + ") }}"
        spec = "".join(self.one(part) for part in (["", "-", "+", " ", "0", "#", "-0"], ["", "3", "10"], ["", ".0", ".2", ".5"]))
        return "{{ '%" + spec + self.one("diuoxXeEfFgGcrsa") + "|' % (" + value + ",) }}"

    def tag(self, text: str) -> str:
        return "{%" + self.one(["", "", "", "-", "+"]) + f" {text} " + self.one(["", "", "", "", "-", "+"]) + "%}"

    def body(self, depth: int) -> str:
        return "".join(self.statement(depth) for _ in range(self.random.randint(1, 3)))

    def loop(self, depth: int) -> str:
        over = self.one(["l", "ls", "ld", "d", "d.items()", "nested", "messages", "range(4)", "s", "le", "undef", self.expression(2)])
        test = f" if {self.expression(1)}" if self.chance(0.2) else ""
        otherwise = self.tag("else") + self.body(depth) if self.chance(0.3) else ""
        inside = self.body(depth) + self.one(LOOP) + self.one(["", "{{ x }}", ",", "{{ x.n }}"])
        return self.tag(f"for {self.one(['x', 'x', 'k, v', 'i'])} in {over}{test}") + inside + otherwise + self.tag("endfor")

    def statement(self, depth: int) -> str:
        if depth <= 0 or self.chance(0.25):
            return self.one(DATA)
        body = lambda: self.body(depth - 1)  # noqa: E731
        text = lambda: self.expression(2)  # noqa: E731
        printed = lambda: "{{" + self.one(["", "", "-"]) + f" {text()} " + self.one(["", "", "-"]) + "}}"  # noqa: E731
        kinds = [
            printed, printed, printed, lambda: self.loop(depth - 1), lambda: self.loop(depth - 1),
            lambda: self.tag(f"if {text()}") + body() + self.tag(f"elif {text()}") + body() + self.tag("else") + body() + self.tag("endif"),
            lambda: self.tag(f"set {self.one(['x', 'y', 'k', 's'])} = {text()}"),
            lambda: self.tag(self.one(["set x", "set x | upper"])) + body() + self.tag("endset") + "{{ x }}",
            lambda: self.tag(f"with x = {text()}, y = {text()}") + body() + "{{ x }}" + self.tag("endwith"),
            lambda: self.tag(f"filter {self.one(['upper', 'trim', 'indent', 'escape', 'title | trim'])}") + body() + self.tag("endfilter"),
            lambda: (self.tag(f"macro m(x, y={text()})") + body()
                     + self.one(["{{ x }}{{ y }}", "{{ varargs }}{{ kwargs.z }}", '{{ caller() if caller else "" }}', "{{ caller(1) }}"])
                     + self.tag("endmacro") + self.one(CALLS)),
            lambda: (self.tag(f"autoescape {self.one(['true', 'false'])}") + body()
                     + '{{ html }}{{ html | safe }}{{ "<" ~ html | e }}{{ ls | join("<") }}' + self.tag("endautoescape")),
            lambda: self.tag(f"block b{self.random.randint(0, 999)}") + body() + self.tag("endblock"),
            lambda: self.filled(self.one(STATEMENTS), 1),
        ]
        return self.one(kinds)()

    def template(self) -> str:
        kind = self.random.random()
        if kind < 0.6:
            return "{{ " + self.expression(self.random.randint(1, 4)) + " }}"
        return self.formatted() if kind < 0.7 else self.body(3)


def templates(count: int, seed: int) -> list[str]:
    grammar = Grammar(seed)
    return [grammar.template() for _ in range(count)]
