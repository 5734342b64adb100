"""Pairs with random weights, as `icf bench --shape` makes them: what is computed with them means nothing, how long it takes is
real. All matrices are cut from one pool of rows that is quantised once."""

import ctypes
import dataclasses
import pathlib
import random
import struct

DEVIATION = 0.02  # of the weights: activations keep their size through the layers
POOL_ROWS, POOL_ROW_LENGTH = 4099, 256  # a prime number of rows, so that those of a matrix differ
ALIGNMENT = 32
FORMER_LAYERS = 3
U32, I32, F32, STRING, ARRAY = 4, 5, 6, 8, 9


@dataclasses.dataclass(frozen=True)
class Shape:
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    layers: int
    vocabulary: int
    context: int
    digests: int
    chunk: int

    @property
    def kv_width(self):
        return self.width // self.heads * self.kv_heads


SHAPES = {
    "tiny": Shape(256, 512, 4, 2, 3, 600, 2048, 16, 64),
    "1.1b": Shape(2048, 5632, 32, 4, 22, 32000, 4096, 128, 512),  # TinyLlama
    "7b": Shape(4096, 11008, 32, 32, 32, 32000, 4096, 128, 512),  # Llama 2, with the former of the IC-Former paper
}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def u32(value):
    return struct.pack("<II", U32, value)


def f32(value):
    return struct.pack("<If", F32, value)


def array(kind, items):
    return struct.pack("<IIQ", ARRAY, kind, len(items)) + b"".join(items)


def piece(token):
    """A SentencePiece vocabulary: unknown, begin, end, the 256 bytes, words."""
    if token < 3:
        return ("<unk>", "<s>", "</s>")[token]
    return f"<0x{token - 3:02X}>" if token < 259 else f"\u2581t{token - 259}"


def token_type(token):
    return 2 if token == 0 else 3 if token < 3 else 6 if token < 259 else 1


class Writer:
    def __init__(self, lib, shape: Shape, kind: str):
        self.shape = shape
        self.type = lib.lib.icf_type_find(kind.encode())
        info = lib.described("icf_type_describe", "icf_type_info", self.type)
        self.block, self.block_bytes = info.block_length, info.block_bytes
        rng = random.Random(0)
        n = POOL_ROWS * POOL_ROW_LENGTH
        floats = (ctypes.c_float * n)(*(rng.gauss(0, DEVIATION) for _ in range(n)))
        self.floats = bytes(floats)
        self.pool = lib.quantize(self.type, floats, POOL_ROWS, POOL_ROW_LENGTH, n // self.block * self.block_bytes)
        self.tensors = []  # name, type, dimensions, bytes
        self.keys = []

    def add(self, name, kind, *dimensions):
        elements = 1
        for d in dimensions:
            elements *= d
        size = elements * 4 if kind == 0 else elements // self.block * self.block_bytes
        self.tensors.append((name + ".weight", kind, dimensions, size))

    def matrix(self, name, n_in, n_out):
        self.add(name, self.type, n_in, n_out)

    def vector(self, name):
        self.add(name, 0, self.shape.width)

    def layer(self, name):
        s = self.shape
        self.vector(f"{name}.attn_norm")
        self.vector(f"{name}.ffn_norm")
        self.matrix(f"{name}.attn_q", s.width, s.width)
        self.matrix(f"{name}.attn_k", s.width, s.kv_width)
        self.matrix(f"{name}.attn_v", s.width, s.kv_width)
        self.matrix(f"{name}.attn_output", s.width, s.width)
        self.matrix(f"{name}.ffn_gate", s.width, s.feed_forward)
        self.matrix(f"{name}.ffn_up", s.width, s.feed_forward)
        self.matrix(f"{name}.ffn_down", s.feed_forward, s.width)

    def sizes(self, architecture, layers):
        s = self.shape
        self.keys += [("general.architecture", struct.pack("<I", STRING) + text(architecture))]
        self.keys += [(f"{architecture}.{name}", value) for name, value in (
            ("block_count", u32(layers)), ("embedding_length", u32(s.width)), ("feed_forward_length", u32(s.feed_forward)),
            ("attention.head_count", u32(s.heads)), ("attention.head_count_kv", u32(s.kv_heads)),
            ("attention.layer_norm_rms_epsilon", f32(1e-5)), ("rope.freq_base", f32(10000)))]

    def write_model(self, path: pathlib.Path):
        s = self.shape
        self.tensors, self.keys = [], []
        self.sizes("llama", s.layers)
        pieces = [text(piece(i)) for i in range(s.vocabulary)]
        self.keys += [
            ("llama.context_length", u32(s.context)), ("llama.rope.dimension_count", u32(s.width // s.heads)),
            ("llama.vocab_size", u32(s.vocabulary)), ("tokenizer.ggml.model", struct.pack("<I", STRING) + text("llama")),
            ("tokenizer.ggml.pre", struct.pack("<I", STRING) + text("default")),
            ("tokenizer.ggml.tokens", array(STRING, pieces)),
            ("tokenizer.ggml.scores", array(F32, [struct.pack("<f", -i) for i in range(s.vocabulary)])),
            ("tokenizer.ggml.token_type", array(I32, [struct.pack("<i", token_type(i)) for i in range(s.vocabulary)])),
            ("tokenizer.ggml.bos_token_id", u32(1)), ("tokenizer.ggml.eos_token_id", u32(2))]
        self.matrix("token_embd", s.width, s.vocabulary)
        self.matrix("output", s.width, s.vocabulary)
        self.vector("output_norm")
        for i in range(s.layers):
            self.layer(f"blk.{i}")
        self.write(path)

    def write_former(self, path: pathlib.Path):
        s = self.shape
        self.tensors, self.keys = [], []
        self.sizes("icformer", FORMER_LAYERS)
        self.keys += [("icformer.digest_count", u32(s.digests)), ("icformer.chunk_length", u32(s.chunk)),
                      ("icformer.cross_attention_interval", u32(1))]
        self.add("digest_embd", 0, s.width, s.digests)
        self.vector("output_norm")
        for i in range(FORMER_LAYERS):
            self.vector(f"blk.{i}.context_norm")
            self.layer(f"blk.{i}")
        self.write(path)

    def write(self, path):
        header = [struct.pack("<4sIQQ", b"GGUF", 3, len(self.tensors), len(self.keys))]
        header += [text(name) + value for name, value in self.keys]
        offset = 0
        for name, kind, dimensions, size in self.tensors:
            header.append(text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, offset))
            offset += (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        data = b"".join(header)
        part = path.with_suffix(".part")
        with part.open("wb") as out:
            out.write(data + bytes(-len(data) % ALIGNMENT))
            for _, kind, dimensions, size in self.tensors:
                if len(dimensions) == 1:
                    out.write(struct.pack("<f", 1) * dimensions[0])
                else:
                    source = self.floats if kind == 0 else self.pool
                    for at in range(0, size, len(source)):
                        out.write(source[:size - at])
                out.write(bytes(-size % ALIGNMENT))
        part.rename(path)
