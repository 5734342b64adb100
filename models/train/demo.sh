#!/bin/sh
# Reproduces the demo pair: corpus, vocabulary, LLM, former, baseline, GGUF files. usage: models/train/demo.sh RUNS
# A run that was stopped goes on where it was when the script is started again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
runs=${1:?usage: demo.sh RUNS}
python=${PYTHON:-python}
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
mkdir -p "$runs"

make_split() { # split, documents
    [ -f "$runs/$1.jsonl" ] || "$python" "$here/../corpus/generate.py" --world tiny --split "$1" --documents "$2" \
        --words 20 56 --kinds "extract,where,when,how many,who" -o "$runs/$1.jsonl"
}
make_split train 60000
make_split validation 400
make_split test 400
make_split test-phrasing 200
[ -f "$runs/tokenizer/tokenizer.model" ] ||
    "$python" "$here/../corpus/tokenizer.py" "$runs/train.jsonl" --size 1184 --documents 6000 -o "$runs/tokenizer"

train() { # run, named after its stage; options
    run=$1; shift
    "$python" "$here/train.py" "${run%-icae}" --preset cpu --data "$runs/train.jsonl" --validation "$runs/validation.jsonl" \
        -o "$runs/$run" "$@"
}
train lm --tokenizer "$runs/tokenizer"
train pretrain --llm "$runs/lm/final"
train finetune --llm "$runs/lm/final" --former "$runs/pretrain/final"
# The baseline, with the same data and as many steps.
train pretrain-icae --compressor icae --llm "$runs/lm/final"
train finetune-icae --compressor icae --llm "$runs/lm/final" --former "$runs/pretrain-icae/final"

"$python" "$here/cases.py" "$runs/test.jsonl" --llm "$runs/lm/final" -o "$here/../demo/test.jsonl"
"$python" "$here/evaluate.py" --llm "$runs/lm/final" --former "$runs/finetune/final" --json "$runs/report.json"
"$python" "$here/evaluate.py" --llm "$runs/lm/final" --icae "$runs/finetune-icae/final" --json "$runs/report-icae.json"
"$python" "$here/export.py" "$runs/lm/final" -o "$here/../demo/lm.gguf"
"$here/../../icf" convert "$runs/finetune/final" --target "$here/../demo/lm.gguf" --type q8_0 --chunk-length 64 \
    --prompt-before "" --prompt-question "Question: " --prompt-after "Answer:" --name icformer-demo-former \
    --force -o "$here/../demo/former.gguf"
