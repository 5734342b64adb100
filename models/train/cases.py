"""Writes questions as `icf eval answers` and evaluate.py read them, from the documents of a corpus file.

    python models/train/cases.py test.jsonl --llm DIR --documents 200 --questions 4 --longest 64 -o models/demo/test.jsonl

One {context, questions: [{question, answer, kind}]} per line: the first questions of the first documents, without those of more
than `longest` tokens. Every fourth document ends in a line break, as in training.
"""

import argparse
import json
from pathlib import Path

from data import Prompt, Tokenizer, read_documents


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--llm", type=Path, required=True, help="folder with the tokenizer")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--longest", type=int, default=64)
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    documents = read_documents(a.data, Tokenizer(a.llm), Prompt(), a.longest, a.documents, breaks=True)
    with a.output.open("w", encoding="utf-8") as out:
        for document in documents:
            questions = [{"question": q.text, "answer": q.answer_text, "kind": q.kind} for q in document.questions[:a.questions]]
            out.write(json.dumps({"context": document.text, "questions": questions}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
