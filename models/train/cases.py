"""Writes questions as `icf eval answers` and evaluate.py read them, from the documents of a corpus file.

    python models/train/cases.py test.jsonl test-long.jsonl --llm DIR --documents 200 100 --questions 4 -o models/demo/test.jsonl

One {context, questions: [{question, answer, kind}]} per line: the first questions of the first documents of each file, without
those of more than `longest` tokens. Every fourth document ends in a line break, as in training. Those of several files are
spread evenly, so that the first lines are of all lengths.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from models.train.data import Prompt, Tokenizer, read_documents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--llm", type=Path, required=True, help="folder with the tokenizer")
    parser.add_argument("--documents", type=int, nargs="+", default=[200], help="first documents of each file")
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--longest", type=int, default=512)
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    if len(a.documents) != len(a.data):
        parser.error("--documents needs a number for each file")
    found = []
    for file, most in zip(a.data, a.documents, strict=True):
        part = read_documents(file, Tokenizer(a.llm), Prompt(), a.longest, most, breaks=True)
        found += [((i + 0.5) / len(part), document) for i, document in enumerate(part)]
    documents = [document for _, document in sorted(found, key=lambda entry: entry[0])]
    with a.output.open("w", encoding="utf-8") as out:
        for document in documents:
            questions = [
                {"question": q.text, "answer": q.answer_text, "kind": q.kind} for q in document.questions[: a.questions]
            ]
            out.write(json.dumps({"context": document.text, "questions": questions}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
