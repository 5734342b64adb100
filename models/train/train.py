"""Trains a pair: a small LLM (optional) and an IC-Former for a frozen LLM.

    python models/train/train.py lm       --preset cpu --data train.jsonl --validation validation.jsonl --tokenizer DIR -o RUN
    python models/train/train.py pretrain --preset cpu --llm DIR --data ... --validation ... -o RUN
    python models/train/train.py finetune --preset cpu --llm DIR --former DIR --data ... --validation ... -o RUN

With --compressor icae, pretrain and finetune train the baseline in the former's place. --llm is any Hugging Face folder of a
Llama-family model. A run that was stopped goes on where its last checkpoint is. RUN gets checkpoint.pt, loss.csv, loss.png and,
at the end, final/ (a Hugging Face folder, an official IC-Former checkpoint, or the baseline's parameters). Every value of a
preset can be given on the command line.
"""

import argparse
import csv
import json
import math
import random
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F

from data import Batches, Document, Prompt, Tokenizer, growing, read_documents
from former import Former, FormerConfig
from icae import Icae
from induction import start_with_induction
from packing import Packing

# `cpu` is the shipped pair, on two cores. `gpu` is for one card with 24 GB or more.
PRESETS = {
    "cpu": dict(
        width=128, layers=4, heads=4, ff=384, former_layers=3, former_heads=4, former_ff=384, digests=16, chunk=64, longest=512,
        batch_tokens=2500, rate=0.004, decay=0.4, lm_steps=33800, pretrain_steps=1000, finetune_steps=3200),
    "gpu": dict(
        width=512, layers=8, heads=8, ff=1408, former_layers=3, former_heads=8, former_ff=1408, digests=128, chunk=512,
        longest=512, batch_tokens=65536, rate=0.006, decay=0.4, lm_steps=12000, pretrain_steps=12000, finetune_steps=8000),
}

DOCUMENT_WEIGHT, ANSWER_WEIGHT, COPY_WEIGHT = 0.15, 2.0, 1.0  # of a token's loss in LLM training
FIRST_WEIGHT = 8.0  # of a reconstruction's first token, which no token before it helps to find
LEAST_QUESTIONS, QUESTION_TOKENS = 8, 12  # behind one context come 8 questions, or one for every 12 of its tokens


# ---- Sequences ---------------------------------------------------------------------------------------------------------


def question_tokens(document: Document, chance: random.Random) -> tuple[list[int], list[float]]:
    """Ids of several questions with answers, and the weight of each token's loss."""
    ids, weights = [], []
    most = max(LEAST_QUESTIONS, len(document.ids) // QUESTION_TOKENS)
    for question in chance.sample(document.questions, min(most, len(document.questions))):
        ids += question.prompt + question.answer
        weights += [0.0] * len(question.prompt) + [ANSWER_WEIGHT] * len(question.answer)
    return ids, weights


def lm_sequence(document: Document, chance: random.Random, repeat: list[int], eos: int, copies: float):
    """The document, then either questions and answers or the document once more."""
    ids, weights = list(document.ids), [DOCUMENT_WEIGHT] * len(document.ids)
    if chance.random() < copies or not document.questions:
        ids += repeat + document.ids + [eos]
        weights += [0.0] * len(repeat) + [COPY_WEIGHT] * (len(document.ids) + 1)
    else:
        more, more_weights = question_tokens(document, chance)
        ids, weights = ids + more, weights + more_weights
    return ids, weights


def pad(rows: list[list], value, device) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows], device=device)


def weighted_loss(head, hidden, targets, weights):
    """Cross entropy of hidden [batch, rows, d] at the rows with a weight -> mean loss, share of right tokens."""
    chosen = weights > 0
    logits = head(hidden[chosen]).float()
    losses = F.cross_entropy(logits, targets[chosen], reduction="none")
    w = weights[chosen]
    right = (logits.argmax(-1) == targets[chosen]) & (w >= COPY_WEIGHT)
    return (losses * w).sum() / w.sum(), float(right.sum() / (w >= COPY_WEIGHT).sum().clamp(min=1))


# ---- Digests -----------------------------------------------------------------------------------------------------------


def even_chunks(n: int, longest: int) -> list[tuple[int, int]]:
    """ceil(n / longest) chunks of ceil(n / chunks) tokens, as the library divides a context."""
    size = math.ceil(n / math.ceil(n / longest))
    return [(a, min(n, a + size)) for a in range(0, n, size)]


def digest_rows(compressor, embed, documents: list[Document], chunk: int, keep: int | None, device) -> list[torch.Tensor]:
    """Digest rows of each document, [k * chunks, d]."""
    pieces = [(d, a, b) for d in documents for a, b in even_chunks(len(d.ids), chunk)]
    longest = max(b - a for _, a, b in pieces)
    ids = torch.tensor([[0] * (longest - (b - a)) + d.ids[a:b] for d, a, b in pieces], device=device)
    lengths = torch.tensor([b - a for _, a, b in pieces], device=device)
    rows = compressor(embed(ids), lengths, keep)
    counts = [len(even_chunks(len(d.ids), chunk)) for d in documents]
    return [part.flatten(0, 1) for part in rows.split(counts)]


def behind_digests(llm, rows: list[torch.Tensor], marker, tails: list[list[int]], weights: list[list[float]], before: list[int]):
    """Runs the LLM over [before, digest rows, marker, tail] and scores the tails."""
    device = marker.device
    embed = llm.get_input_embeddings()
    head = embed(torch.tensor(before, dtype=torch.long, device=device)).float()
    sequences, targets, loss_weights = [], [], []
    for digest, tail, weight in zip(rows, tails, weights):
        ids = torch.tensor(tail, device=device)
        sequences.append(torch.cat([head, digest.float(), marker.view(1, -1), embed(ids[:-1]).float()]))
        blind = len(head) + len(digest)  # the marker's row is the first that predicts a token of the tail
        targets.append([0] * blind + tail)
        loss_weights.append([0.0] * blind + weight)
    inputs = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    hidden = llm.model(inputs_embeds=inputs, use_cache=False).last_hidden_state
    return weighted_loss(llm.get_output_embeddings(), hidden, pad(targets, 0, device), pad(loss_weights, 0.0, device))


def pieces(documents: list[Document], longest: int, a, chance: random.Random) -> list[Document]:
    """Pieces of the documents, as many as a batch holds: mostly of a whole chunk, sometimes shorter, sometimes longer ones.

    A context of several chunks has them begin in the middle of a sentence, and whole chunks use all rows.
    """
    size = min(longest, chance.choice([a.chunk, a.chunk, chance.randint(a.chunk // 4, a.chunk), longest]))
    found = [Document("", d.ids[first:first + size], []) for d in documents for first in range(0, len(d.ids), size)]
    return chance.sample(found, min(len(found), max(1, int(a.batch_tokens / digested_cost(a)(size)))))


def reconstruction(llm, compressor, documents: list[Document], rows: list[torch.Tensor], eos: int):
    """The loss of [rows, AE] -> document and end token."""
    tails = [d.ids + [eos] for d in documents]
    weights = [[FIRST_WEIGHT] + [COPY_WEIGHT] * len(d.ids) for d in documents]
    return behind_digests(llm, rows, compressor.AE, tails, weights, [])


def answers(llm, compressor, documents: list[Document], rows: list[torch.Tensor], before: list[int], chance: random.Random):
    """The loss of [before, rows, FT, question, after] -> answer, for several questions about each document."""
    asked = [question_tokens(d, chance) for d in documents]
    return behind_digests(llm, rows, compressor.FT, [ids for ids, _ in asked], [w for _, w in asked], before)


# ---- Training ----------------------------------------------------------------------------------------------------------


def optimizers(parameters: list[tuple[str, torch.nn.Parameter]], rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, norms, biases and low-rank additions."""
    matrices = [p for n, p in parameters if p.ndim == 2 and "embed" not in n and "lora" not in n and "lm_head" not in n]
    others = [p for n, p in parameters if not any(p is m for m in matrices)]
    found = []
    if matrices:
        found.append(torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw"))
    found.append(torch.optim.AdamW(others, lr=rate * 0.5, betas=(0.9, 0.98), weight_decay=0.0))
    for optimizer in found:
        for group in optimizer.param_groups:
            group["top_rate"] = group["lr"]
    return found


def rate_at(step: int, steps: int, decay: float) -> float:
    """Share of the top rate: a short warm-up, a constant stretch, a straight line to zero over the last `decay`."""
    return min((step + 1) / 50, 1.0, max(0.0, (steps - step) / (decay * steps)))


class Run:
    """The loop of every stage: batches, optimiser steps, checkpoints, the log."""

    def __init__(self, arguments, module, steps: int, loss, validate):
        self.a, self.module, self.steps, self.loss, self.validate = arguments, module, steps, loss, validate
        self.folder = arguments.output
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parameters = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        self.optimizers = optimizers(self.parameters, arguments.rate)
        self.step, self.tokens, self.seconds, self.history = 0, 0, 0.0, []
        self.checkpoint = self.folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self.resume()

    def resume(self):
        state = torch.load(self.checkpoint, map_location=self.a.device, weights_only=True)
        self.module.load_state_dict(state["module"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            rates = [group["top_rate"] for group in optimizer.param_groups]  # of this command line, not of the checkpoint
            optimizer.load_state_dict(saved)
            for group, rate in zip(optimizer.param_groups, rates):
                group["top_rate"] = rate
        self.step, self.tokens, self.seconds, self.history = (state[n] for n in ("step", "tokens", "seconds", "history"))
        print(f"going on from step {self.step}", flush=True)

    def save(self):
        state = {"module": self.module.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers], "step": self.step,
                 "tokens": self.tokens, "seconds": self.seconds, "history": self.history}
        torch.save(state, self.checkpoint.with_suffix(".new"))
        self.checkpoint.with_suffix(".new").replace(self.checkpoint)

    def train(self):
        started, saved = time.time() - self.seconds, time.time()
        recent = []
        while self.step < self.steps:
            share = rate_at(self.step, self.steps, self.a.decay)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["top_rate"] * share
            torch.manual_seed(self.a.seed * 1_000_003 + self.step)
            with torch.autocast(self.a.device, dtype=torch.bfloat16) if self.a.bf16 else nullcontext():
                loss, right, tokens = self.loss(self.step, self.step / self.steps)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for _, p in self.parameters], 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.step, self.tokens, self.seconds = self.step + 1, self.tokens + tokens, time.time() - started
            recent.append((float(loss.detach()), right))
            if self.step % self.a.log_every == 0 or self.step == self.steps:
                self.log(recent)
                recent = []
            if time.time() - saved > self.a.save_seconds:
                self.save()
                saved = time.time()
        self.save()
        self.plot()

    def log(self, recent):
        entry = {"step": self.step, "tokens": self.tokens, "seconds": round(self.seconds),
                 "loss": round(sum(l for l, _ in recent) / len(recent), 4),
                 "token_accuracy": round(sum(r for _, r in recent) / len(recent), 4)}
        if self.step % self.a.validate_every == 0 or self.step == self.steps:
            with torch.no_grad():
                entry |= {name: round(value, 4) for name, value in self.validate().items()}
        self.history.append(entry)
        print(json.dumps(entry), flush=True)
        names = list(dict.fromkeys(name for e in self.history for name in e))
        with (self.folder / "loss.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, names)
            writer.writeheader()
            writer.writerows(self.history)

    def plot(self):
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
        left.plot([e["step"] for e in self.history], [e["loss"] for e in self.history])
        left.set(xlabel="step", ylabel="loss", title=self.a.stage, yscale="log")
        for name in dict.fromkeys(n for e in self.history for n in e if n not in ("step", "tokens", "seconds", "loss")):
            points = [(e["step"], e[name]) for e in self.history if name in e]
            right.plot(*zip(*points), label=name.replace("_", " "))
        right.set(xlabel="step", ylim=(0, 1))
        right.legend()
        figure.savefig(self.folder / "loss.png", dpi=110)


# ---- Stages ------------------------------------------------------------------------------------------------------------


def attention(device: str) -> str:
    """The name of transformers' attention: on a CPU one in float32, whose gradient takes half the time of that in bfloat16."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def in_float32(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
        with torch.autocast("cpu", enabled=False):
            y = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), attn_mask=attention_mask, scale=scaling,
                                               is_causal=attention_mask is None and query.shape[2] > 1,
                                               enable_gqa=query.shape[1] != key.shape[1])
        return y.transpose(1, 2).to(query.dtype), None

    if device != "cpu":
        return "sdpa"
    AttentionInterface.register("sdpa_float32", in_float32)
    AttentionMaskInterface.register("sdpa_float32", sdpa_mask)
    return "sdpa_float32"


def new_llm(a, tokenizer: Tokenizer):
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(a.seed)
    config = LlamaConfig(
        vocab_size=tokenizer.size, hidden_size=a.width, intermediate_size=a.ff, num_hidden_layers=a.layers,
        num_attention_heads=a.heads, num_key_value_heads=a.heads, max_position_embeddings=2048, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2, rms_norm_eps=1e-5, attention_bias=not a.no_bias)
    llm = AutoModelForCausalLM.from_config(config, attn_implementation=attention(a.device))
    if not (a.plain_start or a.no_bias):
        start_with_induction(llm)
    return llm


def frozen_llm(a):
    from transformers import AutoModelForCausalLM

    llm = AutoModelForCausalLM.from_pretrained(a.llm, dtype=torch.float32, attn_implementation=attention(a.device)).to(a.device).eval()
    return llm.requires_grad_(False)


def exact(llm, documents, rows, marker, before, most: int = 4) -> float:
    """Share of questions whose whole answer, end included, is the most likely one token by token: greedy exact match."""
    right, asked = 0, 0
    embed, head = llm.get_input_embeddings(), llm.get_output_embeddings()
    for document, context in zip(documents, rows):
        questions = document.questions[:most]
        if not questions:
            continue
        front = [embed(torch.tensor(before, dtype=torch.long, device=context.device)), context] + ([marker.view(1, -1)] if marker is not None else [])
        front = torch.cat([part.float() for part in front])
        sequences = [torch.cat([front, embed(torch.tensor(q.prompt + q.answer, device=context.device)).float()]) for q in questions]
        hidden = llm.model(inputs_embeds=torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True), use_cache=False).last_hidden_state
        for q, h in zip(questions, hidden):
            first = len(front) + len(q.prompt) - 1
            found = head(h[first:first + len(q.answer)]).argmax(-1).tolist()
            right, asked = right + (found == q.answer), asked + 1
    return right / max(asked, 1)


def validation(llm, compressor, held, chunk, keep, eos, before, device) -> dict[str, float]:
    """Share of document tokens that are right behind the preceding ones, and of questions answered, from digest rows."""
    reconstructed, answered = [], []
    for first in range(0, len(held), 16):
        part = held[first:first + 16]
        rows = digest_rows(compressor, llm.get_input_embeddings(), part, chunk, keep, device)
        reconstructed.append(reconstruction(llm, compressor, part, rows, eos)[1])
        answered.append(exact(llm, part, rows, compressor.FT, before))
    return {"reconstructed": sum(reconstructed) / len(reconstructed), "digest_exact_match": sum(answered) / len(answered)}


def train_lm(a):
    tokenizer, prompt = Tokenizer(a.tokenizer), Prompt()
    llm = new_llm(a, tokenizer)
    repeat, before = tokenizer.encode(prompt.repeat), tokenizer.encode(prompt.before)
    trained = torch.nn.ModuleDict({"llm": llm})
    if a.packed:
        packing = trained["packing"] = Packing(former_config(a, a.width))
        packing.begin(llm.get_input_embeddings().weight, llm.get_input_embeddings().weight[repeat[0]])
    trained.to(a.device)
    embed = llm.get_input_embeddings()
    documents = read_documents(a.data, tokenizer, prompt, a.longest, breaks=True)
    held = read_documents(a.validation, tokenizer, prompt, a.longest, a.validation_documents, breaks=True)
    batches = Batches(documents, a.batch_tokens, a.seed)

    def packed_loss(step, progress, chance):
        chosen = batches.draw(step, progress, digested_cost(a), grown=a.grown)
        reconstructs = chance.random() < a.reconstruct
        if reconstructs:
            chosen = pieces(chosen, growing(packing.ratio, batches.longest, progress, a.grown), a, chance)
        rows = digest_rows(packing, embed, chosen, a.chunk, None, a.device)
        if reconstructs:
            value, right = reconstruction(llm, packing, chosen, rows, tokenizer.eos)
        else:
            value, right = answers(llm, packing, chosen, rows, before, chance)
        return value, right, sum(len(d.ids) for d in chosen)

    def loss(step, progress):
        chance = random.Random(f"{a.seed} sequence {step}")
        if chance.random() < a.packed:
            return packed_loss(step, progress, chance)
        chosen = batches.draw(step, progress, lambda n: n + max(n + 10, 85), grown=a.grown)
        ids, weights = zip(*(lm_sequence(d, chance, repeat, tokenizer.eos, a.copies) for d in chosen))
        inputs = pad([row[:-1] for row in ids], 0, a.device)
        hidden = llm.model(input_ids=inputs, use_cache=False).last_hidden_state
        value, right = weighted_loss(llm.lm_head, hidden, pad([row[1:] for row in ids], 0, a.device),
                                     pad([row[1:] for row in weights], 0.0, a.device))
        return value, right, inputs.numel()

    def validate():
        found = {"exact_match": exact(llm, held, [embed(torch.tensor(d.ids, device=a.device)) for d in held], None, before)}
        if a.packed:
            found |= validation(llm, packing, held, a.chunk, None, tokenizer.eos, before, a.device)
        return found

    run = Run(a, trained, a.steps or a.lm_steps, loss, validate)
    run.train()
    final = a.output / "final"
    llm.save_pretrained(final)
    if a.packed:
        packing.save(final)
    (final / "tokenizer.model").write_bytes((a.tokenizer / "tokenizer.model").read_bytes())
    (final / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": False, "add_eos_token": False, "bos_token": "<s>",
         "eos_token": "</s>", "unk_token": "<unk>", "legacy": True}, indent=2) + "\n")


def digested_cost(a):
    """Tokens and rows of a sequence behind the digest of n tokens, about."""
    return lambda n: 1.6 * n + a.digests


def former_config(a, width: int) -> FormerConfig:
    return FormerConfig(width, a.former_ff, a.former_layers, a.former_heads, a.former_heads, a.digests, a.chunk,
                        attention_bias=not a.no_bias)


def new_compressor(a, llm, ae: torch.Tensor):
    """The checkpoint to go on from, or a compressor at its start; ae [d] is the first value of the AE row."""
    weight = llm.get_input_embeddings().weight.detach()
    if a.former:
        return Icae.load(a.former, llm) if a.compressor == "icae" else Former.load(a.former)
    if a.compressor == "icae":
        icae = Icae(llm, a.digests, a.rank)
        icae.start(weight, ae)
        return icae
    former = Former(former_config(a, weight.shape[1]))
    former.start(weight, ae)
    if a.plain_start or a.no_bias:
        return former
    if (a.llm / "packing.pt").exists():
        Packing.load(a.llm).start(former)
    else:
        former.start_in_place()
    return former


def train_compressor(a):
    """pretrain and finetune: they differ in the share of reconstruction and in how documents grow."""
    tokenizer, prompt = Tokenizer(a.llm), Prompt()
    llm = frozen_llm(a)
    embed = llm.get_input_embeddings()
    torch.manual_seed(a.seed)
    compressor = new_compressor(a, llm, embed.weight[tokenizer.encode(prompt.repeat)[0]].detach()).to(a.device)
    before = tokenizer.encode(prompt.before)
    documents = read_documents(a.data, tokenizer, prompt, a.longest, breaks=True)
    held = read_documents(a.validation, tokenizer, prompt, a.longest, a.validation_documents, breaks=True)
    batches = Batches(documents, a.batch_tokens, a.seed)

    def keep(chance):
        """A random prefix of the digests, at least an eighth, in a share of the batches."""
        return chance.randint(max(1, a.digests // 8), a.digests) if chance.random() < a.prefixes else None

    def distillation(chosen, rows, chance):
        """KL divergence from the LLM's own answer distributions with the full context, at the answers' tokens."""
        asked = [question_tokens(d, chance) for d in chosen]
        head = llm.get_output_embeddings()

        def scored(contexts, marker):
            sequences = [torch.cat([c.float()] + ([marker.view(1, -1)] if marker is not None else []) + [embed(torch.tensor(ids[:-1], device=a.device)).float()])
                         for c, (ids, _) in zip(contexts, asked)]
            hidden = llm.model(inputs_embeds=torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True), use_cache=False).last_hidden_state
            picked = []
            for h, c, (ids, w) in zip(hidden, contexts, asked):
                first = len(c) + (marker is not None) - 1
                at = [first + i for i, weight in enumerate(w) if weight > 0]
                picked.append(h[at])
            return head(torch.cat(picked)).float().log_softmax(-1)

        with torch.no_grad():
            teacher = scored([embed(torch.tensor(before + d.ids, device=a.device)) for d in chosen], None)
        student = scored([torch.cat([embed(torch.tensor(before, dtype=torch.long, device=a.device)), r]) for r in rows], compressor.FT)
        return F.kl_div(student, teacher, reduction="batchmean", log_target=True)

    def loss(step, progress):
        chance = random.Random(f"{a.seed} sequence {step}")
        chosen = [d for d in batches.draw(step, progress, digested_cost(a), grown=a.grown) if d.questions]
        first_rows, reconstructs = keep(chance), chance.random() < a.reconstruct
        if reconstructs:
            chosen = pieces(chosen, batches.longest, a, chance)
        rows = digest_rows(compressor, embed, chosen, a.chunk, first_rows, a.device)
        tokens = sum(len(d.ids) for d in chosen)
        if reconstructs:
            value, right = reconstruction(llm, compressor, chosen, rows, tokenizer.eos)
        else:
            state = chance.getstate()
            value, right = answers(llm, compressor, chosen, rows, before, chance)
            if a.distill:
                chance.setstate(state)
                value = value + a.distill * distillation(chosen, rows, chance)
        return value, right, tokens

    def validate():
        found = validation(llm, compressor, held, a.chunk, None, tokenizer.eos, before, a.device)
        if a.prefixes:
            found["exact_match_half"] = validation(
                llm, compressor, held, a.chunk, a.digests // 2, tokenizer.eos, before, a.device)["digest_exact_match"]
        return found

    run = Run(a, compressor, a.steps or getattr(a, a.stage + "_steps"), loss, validate)
    run.train()
    compressor.save(a.output / "final")
    (a.output / "final" / "prompt.json").write_text(json.dumps(asdict(prompt), indent=2) + "\n")


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("lm", "pretrain", "finetune"))
    parser.add_argument("--compressor", choices=("former", "icae"), default="former", help="what pretrain and finetune train")
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, help="folder with tokenizer.model (stage lm)")
    parser.add_argument("--llm", type=Path, help="Hugging Face folder of the frozen LLM")
    parser.add_argument("--former", type=Path, help="checkpoint of the compressor to start from")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-bf16", dest="bf16", action="store_false")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0, help="0: as the preset says")
    parser.add_argument("--copies", type=float, default=0.3, help="lm: share of sequences that repeat their document")
    parser.add_argument("--packed", type=float, default=0.0, help="lm: share of batches whose contexts are rows of several tokens")
    parser.add_argument("--reconstruct", type=float, help="share of digest batches that reconstruct; finetune 0.25, otherwise 0.5")
    parser.add_argument("--prefixes", type=float, default=0.0, help="share of batches that see a random number of the first digests only, an eighth of them to all")
    parser.add_argument("--distill", type=float, default=0.0, help="weight of the distillation from full-context answers")
    parser.add_argument("--grown", type=float, help="share of the steps after which documents have their full length")
    parser.add_argument("--rank", type=int, default=32, help="icae: rank of the LoRA matrices")
    parser.add_argument("--plain-start", action="store_true", help="random start instead of looking in place")
    parser.add_argument("--no-bias", action="store_true", help="no attention biases, as official checkpoints (implies --plain-start)")
    parser.add_argument("--log-every", type=int, default=25)
    parser.add_argument("--validate-every", type=int, default=200)
    parser.add_argument("--validation-documents", type=int, default=64)
    parser.add_argument("--save-seconds", type=float, default=120)
    for name, value in PRESETS["cpu"].items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value))
    a = parser.parse_args(arguments)
    for name, value in PRESETS[a.preset].items():
        if getattr(a, name) is None:
            setattr(a, name, value)
    if a.reconstruct is None:
        a.reconstruct = 0.25 if a.stage == "finetune" else 0.5
    if a.grown is None:
        a.grown = 0.0 if a.stage == "finetune" else 0.4
    return a


if __name__ == "__main__":
    options = parse()
    train_lm(options) if options.stage == "lm" else train_compressor(options)
    sys.exit(0)
