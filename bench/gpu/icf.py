"""libicf through ctypes, with nothing but Python's own library. The structs are as abi.txt beside the library's folder, which
the build writes, describes them."""

import ctypes
import pathlib

KINDS = {"char": ctypes.c_char, "int": ctypes.c_int32, "long": ctypes.c_longlong, "float": ctypes.c_float,
         "pointer": ctypes.c_void_p}


class Failed(Exception):
    """What icf_error said of a call."""


class Library:
    def __init__(self, folder: pathlib.Path):
        self.constants = {}
        fields, sizes = {}, {}
        for line in (folder.parent / "abi.txt").read_text().splitlines():
            kind, *words = line.split()
            if kind == "constant":
                self.constants[words[0]] = int(words[1])
            elif kind == "struct":
                sizes[words[0]] = int(words[1])
            elif kind == "field":
                fields.setdefault(words[0], []).append((words[1], int(words[2]), int(words[3]), words[4]))
        self.structs = {name: self._struct(name, sizes[name], fields[name]) for name in sizes}
        self.lib = ctypes.CDLL(str(folder / "libicf.so"))
        self.lib.icf_session_length.restype = ctypes.c_longlong
        self.error = self.structs["icf_error"]()

    @staticmethod
    def _struct(name, size, fields):
        members, at = [], 0
        for field, offset, length, kind in fields:
            if offset > at:
                members.append((f"padding_{at}", ctypes.c_char * (offset - at)))
            count = length // ctypes.sizeof(KINDS[kind])
            members.append((field, KINDS[kind] if count == 1 else KINDS[kind] * count))
            at = offset + length
        if size > at:
            members.append((f"padding_{at}", ctypes.c_char * (size - at)))
        struct = type(name, (ctypes.Structure,), {"_fields_": members, "_pack_": 1})
        assert ctypes.sizeof(struct) == size, name
        return struct

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, ctypes.byref(self.error)) != 0:
            raise Failed(f"{name}: {self.error.message.decode()}")

    def described(self, name, struct, *arguments):
        info = self.structs[struct]()
        info.struct_size = ctypes.sizeof(info)
        self.call(name, *arguments, ctypes.byref(info))
        return info

    def options(self, kind, **values):
        options = self.structs[f"icf_{kind}_options"]()
        getattr(self.lib, f"icf_{kind}_options_init")(ctypes.byref(options))
        for name, value in values.items():
            setattr(options, name, value)
        return options

    def devices(self):
        return [self.described("icf_device_describe", "icf_device_info", i) for i in range(self.lib.icf_device_count())]

    def find_device(self, name):
        for i, info in enumerate(self.devices()):
            if name in (str(i), info.name.decode()):
                return i
        raise Failed(f"there is no device {name}; there are {', '.join(d.name.decode() for d in self.devices())}")

    def quantize(self, kind: int, rows, n_rows: int, row_length: int, n_bytes: int) -> bytes:
        target = ctypes.create_string_buffer(n_bytes)
        self.call("icf_quantize_rows", kind, rows, ctypes.c_longlong(n_rows), ctypes.c_longlong(row_length), target,
                  ctypes.c_longlong(n_bytes))
        return target.raw


class Handle:
    kind = ""

    def __init__(self, lib):
        self.lib = lib
        self.address = ctypes.c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        getattr(self.lib.lib, f"icf_{self.kind}_close")(self.address)
        self.address = None

    def info(self):
        return self.lib.described(f"icf_{self.kind}_describe", f"icf_{self.kind}_info", self.address)


def ints(values):
    return (ctypes.c_int32 * len(values))(*values)


class Model(Handle):
    kind = "model"

    def __init__(self, lib, path, device, gpu_layers=-1):
        super().__init__(lib)
        options = lib.options("model", device=device, n_gpu_layers=gpu_layers)
        lib.call("icf_model_open", str(path).encode(), ctypes.byref(options), ctypes.byref(self.address))


class Digester(Handle):
    kind = "digester"

    def __init__(self, lib, path, model, device, n_threads=0):
        super().__init__(lib)
        options = lib.options("digester", device=device, n_threads=n_threads)
        lib.call("icf_digester_open", str(path).encode(), model.address, ctypes.byref(options), ctypes.byref(self.address))

    def prepare(self, tokens):
        array = tokens if isinstance(tokens, ctypes.Array) else ints(tokens)
        self.lib.call("icf_digester_prepare", self.address, array, ctypes.c_longlong(len(array)))

    def run(self, tokens, ends, rows=None):
        """Chunk i is tokens[ends[i - 1]] ... tokens[ends[i] - 1]; the floats of all rows."""
        info = self.info() if rows is None else None
        rows = rows if rows is not None else (ctypes.c_float * (len(ends) * info.n_digest * info.n_embd))()
        self.lib.call("icf_digester_run_batch", self.address, tokens if isinstance(tokens, ctypes.Array) else ints(tokens),
                      (ctypes.c_longlong * len(ends))(*ends), ctypes.c_longlong(len(ends)), rows, ctypes.c_longlong(len(rows)))
        return rows


class Session(Handle):
    kind = "session"

    def __init__(self, lib, model, n_ctx, n_batch=512, n_threads=0):
        super().__init__(lib)
        options = lib.options("session", n_ctx=n_ctx, n_batch=min(n_batch, n_ctx), n_threads=n_threads)
        lib.call("icf_session_open", model.address, ctypes.byref(options), ctypes.byref(self.address))
        self.n_batch = min(n_batch, n_ctx)
        self.model = model.info()
        self.token = ctypes.c_int32()

    def append(self, tokens, outputs=0):
        """Appends in batches, with the logits of the last `outputs` tokens, which are of the last batch."""
        array = ints(tokens)
        logits = self.lib.constants["ICF_OUTPUT_LOGITS"]
        for first in range(0, len(tokens), self.n_batch):
            count = min(self.n_batch, len(tokens) - first)
            wanted = outputs if first + count == len(tokens) else 0
            self.lib.call("icf_session_append_tokens", self.address, ctypes.byref(array, 4 * first), ctypes.c_longlong(count),
                          ctypes.c_longlong(wanted), logits if wanted else 0)

    def append_rows(self, rows, n, hidden=0):
        self.lib.call("icf_session_append_rows", self.address, rows, self.lib.constants["ICF_TYPE_F32"], ctypes.c_longlong(n),
                      ctypes.c_longlong(hidden), self.lib.constants["ICF_OUTPUT_HIDDEN"] if hidden else 0)

    def append_all_rows(self, rows, n):
        """Any number of rows, in batches."""
        for first in range(0, n, self.n_batch):
            self.append_rows(ctypes.byref(rows, 4 * first * self.model.n_embd), min(self.n_batch, n - first))

    def choose(self):
        """The most likely token."""
        self.lib.call("icf_session_sample", self.address, None, ctypes.byref(self.token))
        return self.token.value

    def greedy(self):
        """The most likely token, appended with the logits that follow it."""
        self.choose()
        self.lib.call("icf_session_append_tokens", self.address, ctypes.byref(self.token), ctypes.c_longlong(1),
                      ctypes.c_longlong(1), self.lib.constants["ICF_OUTPUT_LOGITS"])
        return self.token.value

    def logits(self, n):
        values = (ctypes.c_float * (n * self.model.n_vocab))()
        self.lib.call("icf_session_get_logits", self.address, ctypes.c_longlong(0), ctypes.c_longlong(n), values,
                      ctypes.c_longlong(len(values)))
        return values

    def truncate(self, length=0):
        self.lib.call("icf_session_truncate", self.address, ctypes.c_longlong(length))
