"""Trains a pair: a small LLM (optional) and an IC-Former for a frozen LLM.

    python models/train/train.py lm       --preset cpu --data train.jsonl --validation validation.jsonl --tokenizer DIR -o RUN
    python models/train/train.py pretrain --preset cpu --llm DIR --data ... --validation ... -o RUN
    python models/train/train.py finetune --preset cpu --llm DIR --former DIR --data ... --validation ... -o RUN

With --compressor icae, pretrain and finetune train the baseline in the former's place. --llm is any Hugging Face folder of a
Llama-family model. A run that was stopped goes on where its last checkpoint is. RUN gets checkpoint.pt, loss.csv, loss.png and,
at the end, final/ (a Hugging Face folder, an official IC-Former checkpoint, or the baseline's parameters). Every value of a
preset can be given on the command line.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.lib.files import write_json
from models.train.data import Batches, Document, Prompt, Tokenizer, read_documents
from models.train.digests import Reader
from models.train.llms import frozen_llm, new_compressor, new_llm
from models.train.objectives import Compression, LanguageModelling
from models.train.options import Options, parse
from models.train.packing import Packing
from models.train.runner import Run

TOKENIZER_CONFIG = {
    "tokenizer_class": "LlamaTokenizer",
    "add_bos_token": False,
    "add_eos_token": False,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "legacy": True,
}


def read_data(options: Options, tokenizer: Tokenizer, prompt: Prompt) -> tuple[Batches, list[Document]]:
    """Batches to train on, and the documents that validation asks about."""
    longest, most = options.schedule.longest, options.reports.validation_documents
    documents = read_documents(options.data, tokenizer, prompt, longest, breaks=True)
    held = read_documents(options.validation, tokenizer, prompt, longest, most, breaks=True)
    return Batches(documents, options.schedule.batch_tokens, options.schedule.seed), held


def train_lm(options: Options) -> None:
    tokenizer, prompt = Tokenizer(options.tokenizer), Prompt()
    llm = new_llm(options, tokenizer.size)
    repeat = tokenizer.encode(prompt.repeat)
    trained, packing = torch.nn.ModuleDict({"llm": llm}), None
    if options.mixture.packed:
        packing = trained["packing"] = Packing(options.sizes.former(options.sizes.width, bias=not options.start.no_bias))
        embeddings = llm.get_input_embeddings().weight
        packing.begin(embeddings, embeddings[repeat[0]])
    trained.to(options.device)
    reader = Reader(llm, tokenizer.encode(prompt.before), tokenizer.eos, options.device)
    batches, held = read_data(options, tokenizer, prompt)
    Run(options, trained, LanguageModelling(options, reader, repeat, packing, batches, held)).train()
    final = options.output / "final"
    llm.save_pretrained(final)
    if packing is not None:
        packing.save(final)
    (final / "tokenizer.model").write_bytes((options.tokenizer / "tokenizer.model").read_bytes())
    write_json(final / "tokenizer_config.json", TOKENIZER_CONFIG, indent=2)


def train_compressor(options: Options) -> None:
    """pretrain and finetune."""
    tokenizer, prompt = Tokenizer(options.llm), Prompt()
    llm = frozen_llm(options.llm, options.device)
    embeddings = llm.get_input_embeddings().weight
    torch.manual_seed(options.schedule.seed)
    ae = embeddings[tokenizer.encode(prompt.repeat)[0]].detach()
    compressor = new_compressor(options, llm, ae).to(options.device)
    reader = Reader(llm, tokenizer.encode(prompt.before), tokenizer.eos, options.device)
    batches, held = read_data(options, tokenizer, prompt)
    Run(options, compressor, Compression(options, reader, compressor, batches, held)).train()
    compressor.save(options.output / "final")
    write_json(options.output / "final/prompt.json", asdict(prompt), indent=2)


def main() -> int:
    options = parse(description=__doc__)
    if options.stage == "lm":
        train_lm(options)
    else:
        train_compressor(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
