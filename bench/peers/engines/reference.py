"""reference.py CHECKOUT SHAPE THREADS [DEVICE [BATCH]]: times the official IC-Former implementation on random bf16 weights of a
shape, on PyTorch's device "cpu" or another, for one context or a batch.

512 context rows to 128 digest rows, as generate.py does it: the model in bf16, no gradients. Prints one line of JSON.
"""

import json
import sys
import time

import torch

sys.path.insert(0, sys.argv[1])
from icformer import ICFormerConfig, ICFormerModel

SHAPES = {"demo": (128, 384, 4, 4, 16), "1.1b": (2048, 5632, 32, 4, 128), "7b": (4096, 11008, 32, 32, 128)}
LAYERS, CONTEXT, RUNS = 3, 512, 3
DEVICE = sys.argv[4] if len(sys.argv) > 4 else "cpu"
BATCH = int(sys.argv[5]) if len(sys.argv) > 5 else 1

width, feed_forward, heads, kv_heads, digests = SHAPES[sys.argv[2]]
torch.set_num_threads(int(sys.argv[3]))
torch.manual_seed(0)
torch.set_default_dtype(torch.bfloat16)  # weights are made in the type they are used in
config = ICFormerConfig(
    hidden_size=width,
    context_hidden_size=width,
    intermediate_size=feed_forward,
    num_hidden_layers=LAYERS,
    num_attention_heads=heads,
    num_key_value_heads=kv_heads,
    num_query_tokens=digests,
)
config.rope_scaling = None  # newer versions of transformers set it, and the code takes it for another kind
torch.set_default_device(DEVICE)
model = ICFormerModel(config).eval()
context = torch.randn(BATCH, CONTEXT, width) * 0.02
queries = torch.randn(BATCH, digests, width) * 0.02
visible = torch.cat(
    [torch.ones(BATCH, digests, CONTEXT), torch.tril(torch.ones(digests, digests)).expand(BATCH, -1, -1)], dim=-1
)
finish = torch.cuda.synchronize if DEVICE.startswith("cuda") else lambda: None
samples = []
with torch.no_grad():
    for run in range(RUNS + 1):  # the first one packs the weights
        start = time.perf_counter()
        rows = model(
            query_embeds=queries, context_hidden_states=torch.cat([context, queries], dim=1), context_attention_mask=visible
        ).last_hidden_state
        finish()
        if run > 0:
            samples.append((time.perf_counter() - start) * 1e3)
assert rows.shape == (BATCH, digests, width)
print(json.dumps({"samples_ms": samples, "version": f"torch {torch.__version__}"}))
