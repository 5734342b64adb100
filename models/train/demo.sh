#!/bin/sh
# Reproduces the demo pair: corpus, vocabulary, LLM, former, baseline, GGUF files. usage: models/train/demo.sh RUNS
# A run that was stopped goes on where it was when the script is started again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
runs=${1:?usage: demo.sh RUNS}
python=${PYTHON:-python}
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
mkdir -p "$runs"

make_split() { # split, file, seed, documents, words
    [ -f "$runs/$2.jsonl" ] || "$python" "$here/../corpus/generate.py" --world tiny --split "$1" --seed "$3" --documents "$4" \
        --words "$5" "$6" --kinds "extract,where,when,how many,who" -o "$runs/$2.jsonl"
}
make_split train train-short 3 20000 5 20
make_split train train 1 60000 20 56
make_split train train-long 2 12000 56 480
for split in validation test; do
    make_split $split $split 1 400 20 56
    make_split $split $split-long 2 200 56 480
done
make_split test-phrasing test-phrasing 1 200 20 56
cat "$runs/train-short.jsonl" "$runs/train.jsonl" "$runs/train-long.jsonl" > "$runs/train-all.jsonl"
paste -d '\n' "$runs/validation.jsonl" "$runs/validation-long.jsonl" | head -n 64 > "$runs/validation-all.jsonl"
[ -f "$runs/tokenizer/tokenizer.model" ] ||
    "$python" "$here/../corpus/tokenizer.py" "$runs/train.jsonl" --size 1184 --documents 6000 -o "$runs/tokenizer"

train() { # run, named after its stage; options
    run=$1; shift
    "$python" "$here/train.py" "${run%-icae}" --preset cpu --data "$runs/train-all.jsonl" --validation "$runs/validation-all.jsonl" \
        -o "$runs/$run" "$@"
}
train lm --tokenizer "$runs/tokenizer" --packed 0.6 --copies 0.1 --reconstruct 0.4
train pretrain --llm "$runs/lm/final"
train finetune --reconstruct 0.4 --llm "$runs/lm/final" --former "$runs/pretrain/final"
# The baseline, with the same data and as many steps.
train pretrain-icae --compressor icae --llm "$runs/lm/final"
train finetune-icae --reconstruct 0.4 --compressor icae --llm "$runs/lm/final" --former "$runs/pretrain-icae/final"

"$python" "$here/cases.py" "$runs/test.jsonl" "$runs/test-long.jsonl" --documents 200 100 --llm "$runs/lm/final" -o "$here/../demo/test.jsonl"
"$python" "$here/evaluate.py" --llm "$runs/lm/final" --former "$runs/finetune/final" --json "$runs/report.json"
"$python" "$here/evaluate.py" --llm "$runs/lm/final" --icae "$runs/finetune-icae/final" --json "$runs/report-icae.json"
"$python" "$here/export.py" "$runs/lm/final" -o "$here/../demo/lm.gguf"
"$here/../../icf" convert "$runs/finetune/final" --target "$here/../demo/lm.gguf" --type q8_0 --chunk-length 64 \
    --prompt-before "" --prompt-question "Question: " --prompt-after "Answer:" --name icformer-demo-former \
    --force -o "$here/../demo/former.gguf"
