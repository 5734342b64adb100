#!/usr/bin/env python3
"""measure.py NAME --library DIR --device D --files DIR [...]: one measurement of bench/gpu/run in a process of its own.

Prints one line of JSON for each figure as soon as it is known: `name`, `of` (what was measured, in words and numbers that tell
it from others of the name), `value`, `unit`, and what goes with it. Needs numpy for agreement, PyTorch for peaks,
official and profile.
"""

import argparse
import ctypes
import json
import os
import pathlib
import random
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import icf  # noqa: E402
import weights  # noqa: E402


def emit(name, value, unit, of=None, **more):
    print(json.dumps({"name": name, "of": of or {}, "value": value, "unit": unit, **more}), flush=True)


def milliseconds(args, work, finish=lambda: None):
    """Median and lowest of the runs after a warm-up: it reads the weights, builds graphs, captures them and lets clocks rise."""
    for _ in range(args.warm_up):
        work()
    finish()
    samples = []
    for _ in range(args.runs):
        start = time.perf_counter()
        work()
        finish()
        samples.append((time.perf_counter() - start) * 1e3)
    return statistics.median(samples), min(samples)


def tokens(n, vocabulary, salt=1):
    """Words of the upper half of the vocabulary, two of five of them different, as in a window of 512 tokens of a text."""
    rng = random.Random(salt)
    half = vocabulary // 2
    words = rng.sample(range(half, vocabulary), max(1, min(half, 2 * n // 5)))
    values = [words[i % len(words)] for i in range(n)]
    rng.shuffle(values)
    return values


def float_array(n):
    return (ctypes.c_float * n)()


# ---- What is there ----

def devices(args, lib):
    for i, d in enumerate(lib.devices()):
        emit("device", i, "index", {"device": d.name.decode()}, kind=d.kind, description=d.description.decode(),
             backend=d.backend.decode(), memory_bytes=d.memory_total)


def make(args, lib):
    """Files such as 7b-q4_0.gguf, and 7b-former-f16.gguf for a former."""
    for name in args.make:
        path = args.files / name
        shape, *former, kind = path.stem.split("-")
        start = time.perf_counter()
        if not path.exists():
            args.files.mkdir(parents=True, exist_ok=True)
            writer = weights.Writer(lib, weights.SHAPES[shape], kind)
            (writer.write_former if former else writer.write_model)(path)
        emit("file", path.stat().st_size, "bytes", {"file": name}, seconds=round(time.perf_counter() - start, 2))


def files(args, kind, former_kind):
    return args.files / f"{args.shape}-{kind}.gguf", args.files / f"{args.shape}-former-{former_kind}.gguf"


# ---- The ceilings of the card ----

def peaks(args, _):
    """A copy of memory on the device, bytes read and written, and a bf16 product; both on random data."""
    import torch
    where = "cuda" if torch.cuda.is_available() and not args.small else "cpu"
    finish = torch.cuda.synchronize if where == "cuda" else lambda: None
    n = 2 ** 31 if where == "cuda" else 2 ** 22
    source = torch.empty(n, dtype=torch.uint8, device=where).random_()
    target = torch.empty_like(source)
    _, best = milliseconds(args, lambda: target.copy_(source), finish)
    emit("copy_bandwidth", 2 * n / best * 1e3, "bytes/s")
    del source, target
    n = 8192 if where == "cuda" else 128
    a, b = (torch.randn(n, n, device=where).bfloat16() for _ in range(2))
    _, best = milliseconds(args, lambda: a @ b, finish)
    emit("bf16_product", 2 * n ** 3 / best * 1e3, "FLOP/s")


# ---- Results on both devices ----

CPU_THREADS = min(8, os.cpu_count() or 1)  # tests and memcheck run beside it


def distance(a, b):
    import numpy as np
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def results_on(lib, device, model_path, former_path, steps):
    """Digest rows of up to 512 tokens, and the logits behind each of the first `steps` tokens; none for 0."""
    import numpy as np
    threads = CPU_THREADS if device == 0 else 0
    with icf.Model(lib, model_path, device) as model, icf.Digester(lib, former_path, model, device, threads) as digester:
        info = model.info()
        n = min(steps, info.n_ctx_train)
        context = tokens(max(n, 512), info.n_vocab)
        size = min(512, digester.info().chunk_length)
        rows = np.array(digester.run(context[:size], [size]))
        logits = []
        with icf.Session(lib, model, max(n, 1), n_threads=threads) as session:
            for first in range(0, n, 64):
                part = context[first:min(first + 64, n)]
                session.append(part, len(part))
                logits.append(np.array(session.logits(len(part)), dtype=np.float32).reshape(len(part), info.n_vocab))
    return rows, np.concatenate(logits) if logits else None


def results_of_cpu(args, lib, paths, steps):
    """Computed once for all measurements beside these files."""
    import numpy as np
    kept = args.files / f"{paths[1].stem}-{steps}.npz"
    if not kept.exists():
        rows, logits = results_on(lib, 0, *paths, steps)
        part = kept.with_suffix(".part.npz")
        np.savez(part, rows=rows, logits=logits if steps else np.zeros(0))
        part.rename(kept)
    with np.load(kept) as both:
        return both["rows"], both["logits"] if steps else None


def agreement(args, lib):
    """Digest and logits against the CPU's with the same weights and with F32's, and how often both would choose the same token.
    A type without an LLM of its own, such as bf16, is that of the former alone."""
    for kind in args.types:
        former = args.files / f"{args.small_shape}-former-{kind}.gguf"
        model = args.files / f"{args.small_shape}-{kind}.gguf"
        steps = args.agreement_steps if model.exists() else 0
        paths = (model if steps else args.files / f"{args.small_shape}-f32.gguf", former)
        there = results_on(lib, args.device, *paths, steps)
        for other in sorted({kind, "f32"}):
            like = (args.files / f"{args.small_shape}-{other if steps else 'f32'}.gguf",
                    args.files / f"{args.small_shape}-former-{other}.gguf")
            compare(results_of_cpu(args, lib, like, steps), there,
                    {"shape": args.small_shape, "type": kind, "against": f"CPU {other}", "tf32": args.tf32})


def compare(expected, found, of):
    (rows, logits), (other_rows, other_logits) = expected, found
    emit("digest_distance", distance(other_rows, rows), "relative L2", of)
    if logits is not None:
        emit("logits_distance", distance(other_logits, logits), "relative L2", of)
        compare_choices(logits, other_logits, of)


def compare_choices(expected, found, of):
    """Beside the share of steps with the same choice, how far ahead the CPU's choice was at most where they differ, in standard
    deviations of what the logits differ by: a few of them are a tie."""
    import numpy as np
    chosen, other = expected.argmax(1), found.argmax(1)
    steps = np.nonzero(chosen != other)[0]
    lead = expected[steps, chosen[steps]] - expected[steps, other[steps]]
    emit("same_greedy_token", float((chosen == other).mean()), "of the steps", of, steps=len(expected),
         largest_lead=float(lead.max() / max((expected - found).std(), 1e-30)) if len(steps) else 0.0)


def pair(args, lib):
    """A pair that answers from a digest: how fast on both devices, and how often the device, led along the CPU's answer, would
    choose the CPU's next token. (Left alone, an answer that differs once is another answer from there on.)"""
    model_path, former_path = args.pair
    name = model_path.parent.name
    answer, rows_of = None, {}
    for device in (0, args.device):
        with icf.Model(lib, model_path, device) as model, icf.Digester(lib, former_path, model, device) as digester:
            info = digester.info()
            context = tokens(min(info.chunk_length, 512), model.info().n_vocab)
            rows = rows_of[device] = float_array(info.n_digest * info.n_embd)
            with icf.Session(lib, model, info.n_digest + args.generate + 1) as session:
                def begin():
                    digester.run(context, [len(context)], rows)
                    session.truncate()
                    session.append_rows(rows, info.n_digest, 0)
                    session.append(context[:1], 1)

                def generate():
                    begin()
                    return [session.greedy() for _ in range(args.generate)]
                answer = answer or generate()
                elapsed, _ = milliseconds(args, generate)
                emit("pair_tokens_per_second", args.generate / elapsed * 1e3, "tokens/s, digest included",
                     {"pair": name, "device": "CPU" if device == 0 else "device"})
                begin()
                same = 0
                for token in answer:
                    same += session.choose() == token
                    session.append([token], 1)
    emit("pair_same_tokens", same / len(answer), "of the tokens", {"pair": name}, steps=len(answer),
         digest_distance=distance_of_floats(rows_of[args.device], rows_of[0]))


def distance_of_floats(a, b):
    return (sum((x - y) ** 2 for x, y in zip(a, b)) / (sum(y * y for y in b) or 1.0)) ** 0.5


# ---- Compression ----

def chunk_work(info, n, fast):
    """Multiply-adds; icf bench and test_flops count the same."""
    k, d, layers = info.n_digest, info.n_embd, info.n_layer
    kv = d // info.n_head * info.n_head_kv
    rows = layers * k * (d * d + 3 * d * info.n_ff) + layers * 2 * k * n * d
    if fast:
        return rows + (layers - 1) * k * d * d + layers * k * (k + 1) * d
    return rows + layers * k * d * d + layers * (n + k) * 2 * d * kv + layers * 2 * k * k * d


def compress(args, lib):
    """The paper's Table 1 and one chunk alone, from tokens to digest rows in the host's memory."""
    for former_kind in args.former_types:
        model_path, former_path = files(args, args.type, former_kind)
        with icf.Model(lib, model_path, args.device) as model, icf.Digester(lib, former_path, model, args.device) as digester:
            info = digester.info()
            fast = info.method == lib.constants["ICF_METHOD_FAST"]
            vocabulary = model.info().n_vocab
            for batch, n in [(1, info.chunk_length)] + args.contexts:
                size = min(n, info.chunk_length)
                chunks = batch * (n // size)
                array = icf.ints([t for i in range(batch) for t in tokens(n, vocabulary, i)])
                start = time.perf_counter()
                digester.prepare(array)
                prepared = (time.perf_counter() - start) * 1e3
                ends = [(i + 1) * size for i in range(chunks)]
                rows = float_array(chunks * info.n_digest * info.n_embd)
                elapsed, best = milliseconds(args, lambda: digester.run(array, ends, rows))
                flops = 2 * chunks * chunk_work(info, size, fast)
                floor = max(flops / args.peak_flops, info.weight_bytes / args.peak_bytes) * 1e3
                emit("compress", elapsed, "ms", {"contexts": batch, "n": n, "former": former_kind},
                     lowest=best, method="fast" if fast else "plain", tflops=flops / elapsed * 1e-9, floor_ms=floor,
                     times_floor=elapsed / floor, table_bytes=info.table_bytes, prepare_ms=prepared)


def self_attention(args, lib):
    """The LLM's own self-attention over a context and as many memory rows, whose last hidden states are the compressed form."""
    with icf.Model(lib, files(args, args.type, "f16")[0], args.device) as model:
        info = model.info()
        n_memory = weights.SHAPES[args.shape].digests
        memory = float_array(n_memory * info.n_embd)
        memory[:] = [0.01 * (i % 7 - 3) for i in range(len(memory))]
        lengths = sorted({n for _, n in args.contexts})
        for n, n_batch in [(n, 512) for n in lengths] + [(n, n + n_memory) for n in lengths if n > 512]:
            context = tokens(n, info.n_vocab)
            with icf.Session(lib, model, n + n_memory, n_batch) as session:
                def work():
                    session.truncate()
                    session.append(context)
                    session.append_rows(memory, n_memory, n_memory)
                elapsed, best = milliseconds(args, work)
            for batch in sorted({b for b, length in args.contexts if length == n}):
                emit("compress_self_attention", elapsed * batch, "ms",
                     {"contexts": batch, "n": n, "type": args.type, "n_batch": n_batch}, lowest=best * batch,
                     measured="one context, times the batch")


def official(args, _):
    """The former in PyTorch and bf16, as the official implementation computes it: no table, and no fixed queries."""
    import reference_former
    reference_former.measure(args, weights.SHAPES[args.shape], milliseconds, emit)


# ---- Decoding ----

def decode(args, lib):
    for kind in args.decode_types:
        with icf.Model(lib, files(args, kind, "f16")[0], args.device) as model:
            info = model.info()
            prompt = tokens(args.prefill, info.n_vocab)
            of = {"type": kind, "graphs": args.graphs}
            with icf.Session(lib, model, args.prefill) as session:
                def work():
                    session.truncate()
                    session.append(prompt, 1)
                    session.logits(1)
                elapsed, best = milliseconds(args, work)
            emit("prefill", args.prefill / elapsed * 1e3, "tokens/s", {**of, "n": args.prefill}, highest=args.prefill / best * 1e3)
            with icf.Session(lib, model, args.generate + 1) as session:
                def generate():
                    session.truncate()
                    session.append(prompt[:1], 1)
                    for _ in range(args.generate):
                        session.greedy()
                elapsed, best = milliseconds(args, generate)
            per_second = args.generate / elapsed * 1e3
            embeddings = info.n_vocab * info.n_embd * info.weight_bytes // info.n_params  # looked up, not read
            bandwidth = (info.weight_bytes - embeddings) * per_second
            emit("decode", per_second, "tokens/s", {**of, "n": args.generate}, highest=args.generate / best * 1e3,
                 bytes_per_second=bandwidth, of_copy_bandwidth=bandwidth / args.peak_bytes)


def first_token(args, lib):
    """From a context that was not seen before, and 32 tokens of a question, to the first token of an answer."""
    model_path, former_path = files(args, "q8_0", "bf16")
    with icf.Model(lib, model_path, args.device) as model, icf.Digester(lib, former_path, model, args.device) as digester:
        info, vocabulary = digester.info(), model.info().n_vocab
        size, k = info.chunk_length, info.n_digest
        question = tokens(32, vocabulary, 99)
        for n in args.lengths:
            ends = [min(n, first + size) for first in range(0, n, size)]
            rows = float_array(len(ends) * k * info.n_embd)
            contexts = iter([tokens(n, vocabulary, salt) for salt in range(args.warm_up + args.runs)])
            digest = []
            with icf.Session(lib, model, len(ends) * k + 64) as session:
                def compressed():
                    start = time.perf_counter()
                    digester.run(next(contexts), ends, rows)
                    digest.append((time.perf_counter() - start) * 1e3)
                    session.truncate()
                    session.append_all_rows(rows, len(ends) * k)
                    session.append(question, 1)
                    session.choose()
                elapsed, best = milliseconds(args, compressed)
            emit("first_token", elapsed, "ms", {"n": n, "compressed": True}, lowest=best, rows=len(ends) * k,
                 digest_ms=statistics.median(digest[args.warm_up:]))
            context = tokens(n, vocabulary)
            with icf.Session(lib, model, n + 64) as session:
                def full():
                    session.truncate()
                    session.append(context)
                    session.append(question, 1)
                    session.choose()
                elapsed, best = milliseconds(args, full)
            emit("first_token", elapsed, "ms", {"n": n, "compressed": False}, lowest=best)


# ---- Where the time goes ----

def profile(args, lib):
    """Kernels of this process, as PyTorch's profiler sees them: the library's among them."""
    import torch
    from torch.profiler import ProfilerActivity
    cuda = torch.cuda.is_available()
    trace = args.files / "trace.json"

    def look(what, work):
        elapsed, _ = milliseconds(args, work)
        with torch.profiler.profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as p:
            work()
            if cuda:
                torch.cuda.synchronize()
        p.export_chrome_trace(str(trace))
        kinds = {}
        for e in json.loads(trace.read_text()).get("traceEvents", []):
            if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset") and "dur" in e:
                entry = kinds.setdefault((e["cat"], e["name"][:100]), [0.0, 0])
                entry[0] += e["dur"] / 1e3
                entry[1] += 1
        most = sorted(kinds.items(), key=lambda item: -item[1][0])[:14]
        emit("profile", elapsed, "ms", {"what": what}, busy_ms=sum(ms for ms, _ in kinds.values()),
             launches=sum(count for _, count in kinds.values()),
             kernels=[{"kind": kind, "name": name, "ms": ms, "times": count} for (kind, name), (ms, count) in most])

    with icf.Model(lib, files(args, args.type, "f16")[0], args.device) as model:
        vocabulary = model.info().n_vocab
        for former in args.former_types:
            with icf.Digester(lib, files(args, args.type, former)[1], model, args.device) as digester:
                info = digester.info()
                for batch in sorted({1, max(b for b, _ in args.contexts)}):
                    array = icf.ints(tokens(info.chunk_length * batch, vocabulary))
                    ends = [info.chunk_length * (i + 1) for i in range(batch)]
                    rows = float_array(batch * info.n_digest * info.n_embd)
                    look(f"compress {batch} chunks, former {former}", lambda: digester.run(array, ends, rows))
        prompt = tokens(args.prefill, vocabulary)
        with icf.Session(lib, model, args.prefill + 32) as session:
            def prefill():
                session.truncate()
                session.append(prompt, 1)
                session.logits(1)
            look(f"prefill {args.prefill}, {args.type}", prefill)

            def generate():
                session.truncate()
                session.append(prompt[:1], 1)
                for _ in range(16):
                    session.greedy()
            look(f"decode 16, {args.type}", generate)
    trace.unlink()


MEASUREMENTS = {f.__name__: f for f in (devices, make, peaks, agreement, pair, compress, self_attention, official, decode,
                                        first_token, profile)}


def pair_of(text):
    return tuple(pathlib.Path(p) for p in text.split(","))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=MEASUREMENTS)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="CPU")
    parser.add_argument("--files", type=pathlib.Path, required=True)
    parser.add_argument("--make", nargs="+", default=[])
    parser.add_argument("--shape", default="7b", choices=weights.SHAPES)
    parser.add_argument("--small-shape", default="1.1b", choices=weights.SHAPES)
    parser.add_argument("--small", action="store_true", help="PyTorch on the CPU, with small sizes")
    parser.add_argument("--pair", type=pair_of, help="LLM and former, with a comma")
    parser.add_argument("--type", default="q4_0")
    parser.add_argument("--types", nargs="+", default=["f32", "f16", "bf16"])
    parser.add_argument("--former-types", nargs="+", default=["bf16", "f16", "q8_0"])
    parser.add_argument("--decode-types", nargs="+", default=["q4_0", "q8_0"])
    parser.add_argument("--contexts", nargs="+", default=["8x512", "8x2048", "32x512"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[2048, 8192])
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--agreement-steps", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--peak-flops", type=float, default=790e12)
    parser.add_argument("--peak-bytes", type=float, default=3.0e12)
    parser.add_argument("--graphs", default="on", help="CUDA graphs, as the environment has them")
    parser.add_argument("--tf32", default="on", help="cuBLAS's products of F32, as the environment has them")
    args = parser.parse_args()
    args.contexts = [tuple(int(x) for x in c.split("x")) for c in args.contexts]
    lib = None
    if args.name not in ("peaks", "official"):
        lib = icf.Library(args.library)
        if args.name not in ("devices", "make"):
            args.device = lib.find_device(args.device)
    MEASUREMENTS[args.name](args, lib)


if __name__ == "__main__":
    try:
        main()
    except icf.Failed as e:
        sys.exit(f"measure: {e}")
    except ImportError as e:
        sys.exit(f"measure: {e}")
