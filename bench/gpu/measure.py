#!/usr/bin/env python3
"""measure.py NAME --library DIR --device D --files DIR [...]: one measurement of bench/gpu/run in a process of its own. Prints
lines of JSON: figures, with `name` and `value`."""

import argparse
import ctypes
import json
import math
import pathlib
import random
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import icf  # noqa: E402
import weights  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def emit(name, value, unit, **more):
    print(json.dumps({"name": name, "value": value, "unit": unit, **more}), flush=True)


def milliseconds(args, work):
    """Median of the runs after a warm-up: it reads the weights, builds graphs and lets the clocks rise."""
    for _ in range(args.warm_up):
        work()
    samples = []
    for _ in range(args.runs):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1e3)
    return statistics.median(samples)


def tokens(n, vocabulary):
    """Words of the upper half of the vocabulary, two of five of them different, as in a window of 512 tokens of a text."""
    half = vocabulary // 2
    distinct = max(1, min(half, 2 * n // 5))
    values = [half + i % distinct for i in range(n)]
    random.Random(1).shuffle(values)
    return values


# ---- Files ----

def files(args, lib, shape, kind, former_kind=None):
    """A model and a former of a shape, written when they are first needed."""
    args.files.mkdir(parents=True, exist_ok=True)
    model = args.files / f"{shape}-{kind}.gguf"
    former = args.files / f"{shape}-former-{former_kind or kind}.gguf"
    if not model.exists():
        weights.Writer(lib, weights.SHAPES[shape], kind).write_model(model)
    if not former.exists():
        weights.Writer(lib, weights.SHAPES[shape], former_kind or kind).write_former(former)
    return model, former


# ---- Work, in multiply-adds; icf bench and test_flops count the same ----

def chunk_work(info, n, fast):
    k, d, layers = info.n_digest, info.n_embd, info.n_layer
    kv = d // info.n_head * info.n_head_kv
    rows = layers * k * (d * d + 3 * d * info.n_ff) + layers * 2 * k * n * d
    if fast:
        return rows + (layers - 1) * k * d * d + layers * k * (k + 1) * d
    return rows + layers * k * d * d + layers * (n + k) * 2 * d * kv + layers * 2 * k * k * d


# ---- Results on both devices ----

def distance(a, b):
    difference = math.fsum((x - y) * (x - y) for x, y in zip(a, b))
    return math.sqrt(difference / math.fsum(y * y for y in b))


def agreement(args, lib):
    """Digest and logits against the CPU's, and how often both would choose the same token."""
    demo = (ROOT / "models/demo/lm.gguf", ROOT / "models/demo/former.gguf")
    pairs = {"demo": demo} if demo[0].exists() else {}
    for kind in args.types:
        pairs[f"{args.small_shape} {kind}"] = files(args, lib, args.small_shape, kind)
    for name, (model_path, former_path) in pairs.items():
        results = []
        for device in (0, args.device):
            with icf.Model(lib, model_path, device) as model, icf.Digester(lib, former_path, model, device) as digester:
                info = model.info()
                n = min(args.agreement_steps, info.n_ctx_train)
                context = tokens(n, info.n_vocab)
                rows = digester.run(context[:512], [min(n, 512)])
                logits = []
                with icf.Session(lib, model, n) as session:
                    for first in range(0, n, 64):
                        part = context[first:first + 64]
                        session.append(part, len(part))
                        logits.append(session.logits(len(part)))
                results.append((rows, logits, info.n_vocab))
        (rows, logits, n_vocab), (other_rows, other_logits, _) = results
        same = total = 0
        difference = norm = 0.0
        for a, b in zip(logits, other_logits):
            for at in range(0, len(a), n_vocab):
                x, y = a[at:at + n_vocab], b[at:at + n_vocab]
                same += x.index(max(x)) == y.index(max(y))
                total += 1
            difference += math.fsum((x - y) * (x - y) for x, y in zip(a, b))
            norm += math.fsum(x * x for x in a)
        emit("digest_distance", distance(other_rows, rows), "relative L2", pair=name)
        emit("logits_distance", math.sqrt(difference / norm), "relative L2", pair=name)
        emit("same_greedy_token", same / total, "of the steps", pair=name, steps=total)


# ---- Compression ----

def compress(args, lib):
    """The paper's Table 1, one chunk alone, and the LLM's own self-attention over the same contexts."""
    for former_kind in args.former_types:
        model_path, former_path = files(args, lib, args.shape, args.type, former_kind)
        with icf.Model(lib, model_path, args.device) as model, icf.Digester(lib, former_path, model, args.device) as digester:
            info = digester.info()
            fast = info.method == lib.constants["ICF_METHOD_FAST"]
            vocabulary = model.info().n_vocab
            for batch, n in [(1, info.chunk_length)] + args.contexts:
                size = min(n, info.chunk_length)
                chunks = batch * (n // size)
                array = icf.ints(tokens(n, vocabulary) * batch)
                digester.prepare(list(array[:n]))
                ends = [(i + 1) * size for i in range(chunks)]
                rows = (ctypes.c_float * (chunks * info.n_digest * info.n_embd))()
                elapsed = milliseconds(args, lambda: digester.run(array, ends, rows))
                flops = 2 * chunks * chunk_work(info, size, fast)
                floor = max(flops / args.peak_flops, info.weight_bytes / args.peak_bytes) * 1e3
                emit("compress", elapsed, "ms", contexts=batch, n=n, former=former_kind, method="fast" if fast else "plain",
                     tflops=flops / elapsed * 1e-9, floor_ms=floor, times_floor=elapsed / floor)


def self_attention(args, lib):
    model_path, former_path = files(args, lib, args.shape, args.type, args.former_types[0])
    with icf.Model(lib, model_path, args.device) as model:
        info = model.info()
        memory_rows = weights.SHAPES[args.shape].digests
        for n in sorted({n for _, n in args.contexts}):
            memory = (ctypes.c_float * (memory_rows * info.n_embd))(*(0.01 * (i % 7 - 3) for i in range(memory_rows * info.n_embd)))
            context = tokens(n, info.n_vocab)
            with icf.Session(lib, model, n + memory_rows) as session:
                def work():
                    session.truncate()
                    session.append(context)
                    session.append_rows(memory, memory_rows, memory_rows)
                elapsed = milliseconds(args, work)
            for batch in sorted({b for b, length in args.contexts if length == n}):
                emit("compress_self_attention", elapsed * batch, "ms", contexts=batch, n=n, measured="one context, times the batch")


# ---- Decoding ----

def decode(args, lib):
    for kind in args.decode_types:
        model_path, _ = files(args, lib, args.shape, kind, args.former_types[0])
        with icf.Model(lib, model_path, args.device) as model:
            info = model.info()
            prompt = tokens(args.prefill, info.n_vocab)
            with icf.Session(lib, model, args.prefill) as session:
                def work():
                    session.truncate()
                    session.append(prompt, 1)
                elapsed = milliseconds(args, work)
            emit("prefill", args.prefill / elapsed * 1e3, "tokens/s", type=kind, n=args.prefill)
            with icf.Session(lib, model, args.generate + 1) as session:
                def generate():
                    session.truncate()
                    session.append(prompt[:1], 1)
                    for _ in range(args.generate):
                        session.greedy()
                elapsed = milliseconds(args, generate)
            per_second = args.generate / elapsed * 1e3
            embeddings = info.n_vocab * info.n_embd * info.weight_bytes // info.n_params  # looked up, not read
            bandwidth = (info.weight_bytes - embeddings) * per_second
            emit("decode", per_second, "tokens/s", type=kind, n=args.generate, bytes_per_second=bandwidth,
                 of_copy_bandwidth=bandwidth / args.peak_bytes)


MEASUREMENTS = {"agreement": agreement, "compress": compress, "self_attention": self_attention, "decode": decode}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=MEASUREMENTS)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--files", type=pathlib.Path, required=True)
    parser.add_argument("--shape", default="7b", choices=weights.SHAPES)
    parser.add_argument("--small-shape", default="1.1b", choices=weights.SHAPES)
    parser.add_argument("--type", default="q4_0")
    parser.add_argument("--types", nargs="+", default=["f32", "f16"])
    parser.add_argument("--former-types", nargs="+", default=["f16", "q8_0"])
    parser.add_argument("--decode-types", nargs="+", default=["q4_0", "q8_0"])
    parser.add_argument("--contexts", nargs="+", default=["8x512", "8x2048", "32x512"])
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--agreement-steps", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--peak-flops", type=float, default=790e12)
    parser.add_argument("--peak-bytes", type=float, default=4.3e12)
    args = parser.parse_args()
    args.contexts = [tuple(int(x) for x in c.split("x")) for c in args.contexts]
    lib = icf.Library(args.library)
    args.device = lib.find_device(args.device)
    MEASUREMENTS[args.name](args, lib)


if __name__ == "__main__":
    try:
        main()
    except icf.Failed as e:
        sys.exit(f"measure: {e}")
