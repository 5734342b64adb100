"""Strings that are hard on a tokenizer."""

import random

WORDS = ["the", "Hello", "WORLD", "don't", "I'LL", "we've", "they'RE", "'s", "'S", "’s", "it's", "'Tis", "O'Neil",
         "naïve", "Straße", "İstanbul", "ſs", "'ſ", "K", "ﬁn", "ǅ", "日本語", "漢字かな交じり文", "한국어", "ﾊﾝｶｸ", "Ελληνικά",
         "Русский", "עברית", "العربية", "हिन्दी", "ไทย", "ქართული", "አማርኛ", "ᚠᚢᚦ", "𝔘𝔫𝔦", "𝟘𝟙𝟚", "①②", "½", "٣٤٥",
         "x²", "Ⅷ", "3.14159", "1,000,000", "0xDEADBEEF", "12345678901", "1e-9", "v2.0.1", "__init__", "snake_case",
         "camelCase", "HTTPServer", "foo()", "a->b", "::", "&&", "||", "!=", "<=>", "{}", "[0]", "#include <x.h>",
         "//", "/* */", "\\n", "\"q\"", "“q”", "…", "—", "http://a.b/c?d=e&f", "a@b.cc", "~", "`", "$5", "€", "^"]
SPACES = [" ", "  ", "   ", "    ", "        ", "\t", "\t\t", "\n", "\n\n", "\n\n\n", "\r\n", "\r", " \n", "\n ", " \n \n",
          "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", "\u0085", "\u1680", "\v", "\f", "\x1c", "\x1f", "\ufeff"]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️", "🇩🇪", "1️⃣", "🫠", "☃", "✓", "👩🏿‍🚀", "\U0001fae8", "\U0001f1e6"]
MARKS = ["e\u0301", "a\u0308\u0323", "\u0301", "क्ष", "ن\u064e\u0651", "\u20dd", "Z\u0351\u036b\u0343", "\u200d", "\u200c",
         "\u202e", "\u2066", "\U000e0041", "\ufe0f"]
INVALID = [b"\x80", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe0\x80\x80", b"\xfe",
           b"a\xc3", b"\xc3(", b"\xe2(\xa1", b"\xf0(\x8c\xbc", b"\x00", b"\xbf\xbf", b"\xf8\x88\x80\x80\x80"]
SPECIAL = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<tool>", "</tool>", "<|endoftext|>",
           "<|begin_of_text|>", "<|eot_id|>", "<think>", "</think>", "<0x0A>", "<0xff>", "▁", "▁▁", "▁the", "Ġ", "Ġthe",
           "<｜tool▁call｜>", "<tool", "<|im", "|>", "<tool></tool>", "ééé"]


def _unit(chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.30:
        return chance.choice(WORDS).encode()
    if kind < 0.50:
        return chance.choice(SPACES).encode()
    if kind < 0.57:
        return chance.choice(EMOJI).encode()
    if kind < 0.64:
        return chance.choice(MARKS).encode()
    if kind < 0.70:
        return chance.choice(SPECIAL).encode()
    if kind < 0.74:
        return bytes([chance.randrange(128)])
    if kind < 0.80:
        return chr(chance.randrange(0x20, 0x7F)).encode() * chance.choice([1, 2, 3, 7, 20])
    if kind < 0.85:
        return str(chance.randrange(10 ** chance.randrange(1, 14))).encode()
    if kind < 0.91:
        code = chance.choice([chance.randrange(0x80, 0x3000), chance.randrange(0x3000, 0xD800),
                              chance.randrange(0xE000, 0x10000), chance.randrange(0x10000, 0x110000)])
        return chr(code).encode()
    if kind < 0.95:
        letters = "'sStTrReEvVmMlLdDaA"
        return "".join(chance.choice(letters) for _ in range(chance.randrange(2, 6))).encode()
    return chance.choice(SPACES).encode() * chance.randrange(2, 40)


def hard(seed: int, count: int, corpus: list[str], invalid: float = 0.1) -> list[bytes]:
    """`count` byte strings: made up ones, cut out ones of `corpus`, and both mixed; a share of them is not valid UTF-8."""
    chance = random.Random(seed)
    texts: list[bytes] = [b"", b" ", b"\n", b"a", b"'", b" '", "▁".encode(), b"<s>"]
    texts += [word.encode() for word in WORDS + SPACES + EMOJI + MARKS + SPECIAL]
    texts += [space.encode() + b"word" for space in SPACES] + [b"word" + space.encode() for space in SPACES]
    texts += [before.encode() + b"x" + after.encode() for before in SPECIAL[:14] for after in SPECIAL[:14]]
    chance.shuffle(texts)
    del texts[count // 3 :]
    while len(texts) < count:
        kind = chance.random()
        if kind < 0.6:
            text = b"".join(_unit(chance) for _ in range(chance.choice([1, 2, 3, 4, 6, 10, 25])))
        else:
            part = chance.choice(corpus)
            start = chance.randrange(max(1, len(part)))
            text = part[start : start + chance.choice([5, 20, 60, 200])].encode()
            if kind > 0.85:
                cut = chance.randrange(len(text) + 1)
                text = text[:cut] + _unit(chance) + text[cut:]
        if chance.random() < invalid:
            cut = chance.randrange(len(text) + 1)
            text = text[:cut] + chance.choice(INVALID) + text[cut:]
        texts.append(text)
    return texts


def every_character(step: int = 8) -> list[bytes]:
    """Texts that show the class of every code point: each between letters, digits, signs and white space."""
    texts = []
    for first in range(0x80, 0x110000, step):
        points = [chr(point) for point in range(first, first + step) if not 0xD800 <= point < 0xE000]
        texts.append("".join(f"a{c}a1{c}1 {c}!{c}\n{c}{c} \t{c}\n" for c in points).encode())
    return [text for text in texts if text]
