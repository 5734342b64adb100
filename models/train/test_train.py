"""The trainer's parts against the float64 reference and against themselves."""

import contextlib
import io
import json
import random
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from models.corpus import generate
from models.lib.names import gguf_name
from models.lib.numbers import relative_l2
from models.reference import former as numpy_former
from models.train import metrics
from models.train.data import Batches, Document, Prompt, Question, read_documents
from models.train.digests import digest_rows
from models.train.evaluate import length_class
from models.train.former import Former, FormerConfig
from models.train.icae import Icae
from models.train.induction import start_with_induction
from models.train.objectives import lm_sequence, pieces
from models.train.options import parse
from models.train.packing import Packing
from models.train.runner import Run, rate_at


class FormerTest(unittest.TestCase):
    def check(self, **changes):
        torch.manual_seed(3)
        config = FormerConfig(32, 48, 3, 4, 2, 8, 32, **changes)
        former = Former(config)
        for parameter in former.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
        values = {"digest_embd.weight": former.digest_embeddings.detach().numpy()[0]}
        for name, value in former.encoder.state_dict(prefix="encoder.").items():
            values[gguf_name(name)] = value.numpy()
        wanted_config = numpy_former.FormerConfig(
            32, 48, 3, 4, 2, 8, 32, config.cross_attention_frequency, config.rms_norm_eps
        )
        contexts = [torch.randn(n, 32) for n in (1, 5, 12)]
        padded = torch.stack([torch.cat([torch.randn(12 - len(c), 32), c]) for c in contexts])
        found = former(padded, torch.tensor([1, 5, 12])).detach().numpy()
        for context, rows in zip(contexts, found, strict=True):
            self.assertLess(relative_l2(rows, numpy_former.digest(wanted_config, values, context.numpy())), 1e-5)

    def test_equals_the_reference(self):
        self.check()

    def test_equals_the_reference_without_biases(self):
        self.check(attention_bias=False)

    def test_equals_the_reference_with_self_attention_layers(self):
        self.check(cross_attention_frequency=2)

    def test_a_prefix_of_the_digests_is_their_beginning(self):
        former = Former(FormerConfig(32, 48, 2, 4, 4, 8, 32))
        context = torch.randn(2, 10, 32)
        lengths = torch.tensor([10, 7])
        torch.testing.assert_close(former(context, lengths)[:, :3], former(context, lengths, keep=3))

    def test_start_in_place_looks_at_its_own_tokens(self):
        former = Former(FormerConfig(128, 64, 1, 4, 4, 16, 64))
        former.start_in_place()
        former.encoder.layers[0].mlp.down_proj.weight.data.zero_()
        context = torch.randn(1, 64, 128) * 0.1
        lengths = torch.tensor([64])
        before = former(context, lengths)[0]
        context[0, 20:24] += torch.randn(4, 128)  # the tokens of group 5
        moved = (former(context, lengths)[0] - before).norm(dim=-1)
        self.assertEqual(int(moved.argmax()), 5)

    def test_a_saved_former_comes_back(self):
        former = Former(FormerConfig(32, 48, 2, 4, 4, 8, 32))
        with tempfile.TemporaryDirectory() as folder:
            former.save(Path(folder))
            again = Former.load(Path(folder))
        for name, value in former.state_dict().items():
            self.assertTrue(torch.equal(value, again.state_dict()[name]), name)


class PackingTest(unittest.TestCase):
    CONFIG = FormerConfig(64, 96, 2, 4, 4, 8, 32)

    def packing(self, config=CONFIG):
        torch.manual_seed(7)
        embeddings = torch.randn(50, 64)
        packing = Packing(config)
        packing.begin(embeddings, embeddings[3])
        return packing, embeddings

    def test_a_row_holds_the_tokens_of_its_group_in_order(self):
        packing, embeddings = self.packing()
        packing.places.zero_()
        rows = packing(embeddings[None, 10:42], torch.tensor([32]))[0] / packing.scale
        for i in range(8):
            for j in range(4):  # the code of a place, turned back, is most like the token that stands there
                part = slice(j * 16, (j + 1) * 16)
                seen = rows[i, part] @ packing.codes[part] @ embeddings[10:42].T
                self.assertEqual(int(seen.argmax()), 4 * i + j)

    def test_groups_are_counted_from_the_end(self):
        packing, embeddings = self.packing()
        whole = packing(embeddings[None, 10:42], torch.tensor([32]))
        part = packing(embeddings[None, 18:42], torch.tensor([24]))
        padded = packing(torch.cat([torch.randn(1, 3, 64), embeddings[None, 18:42]], dim=1), torch.tensor([24]))
        torch.testing.assert_close(part[:, 2:], whole[:, 2:])
        torch.testing.assert_close(padded, part)
        torch.testing.assert_close(packing(embeddings[None, 18:42], torch.tensor([24]), keep=3), part[:, :3])

    def test_a_former_begins_with_the_same_rows(self):
        self.check_start(self.CONFIG)

    def test_several_heads_may_serve_a_token(self):
        self.check_start(FormerConfig(64, 96, 2, 8, 8, 16, 32))

    def check_start(self, config):
        packing, embeddings = self.packing(config)
        former = Former(config)
        former.start(embeddings)
        packing.start(former)
        context, lengths = embeddings[None, 10:42], torch.tensor([32])
        alike = torch.nn.functional.cosine_similarity(former(context, lengths), packing(context, lengths), dim=-1)
        self.assertGreater(alike[0, 1:].min().item(), 0.9)

    def test_a_former_of_another_shape_is_refused(self):
        with self.assertRaisesRegex(ValueError, "differ in width, chunk, digests or heads"):
            self.packing()[0].start(Former(FormerConfig(64, 96, 2, 4, 4, 16, 64)))

    def test_a_shape_that_cannot_pack_is_refused(self):
        for heads, kv_heads in ((6, 6), (4, 2)):
            with self.assertRaisesRegex(ValueError, "packing needs as many heads for each token"):
                Packing(FormerConfig(96, 96, 2, heads, kv_heads, 8, 32))

    def test_a_saved_packing_comes_back(self):
        packing, embeddings = self.packing()
        with tempfile.TemporaryDirectory() as folder:
            packing.save(Path(folder))
            again = Packing.load(Path(folder))
        arguments = embeddings[None, 10:42], torch.tensor([32])
        self.assertTrue(torch.equal(packing(*arguments), again(*arguments)))


class IcaeTest(unittest.TestCase):
    def test_padding_changes_nothing_and_the_llm_stays_itself(self):
        from transformers import AutoModelForCausalLM, LlamaConfig

        torch.manual_seed(4)
        llm = AutoModelForCausalLM.from_config(
            LlamaConfig(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
        ).eval()
        llm.requires_grad_(False)
        ids = torch.randint(0, 40, (1, 9))
        plain = llm(ids).logits
        icae = Icae(llm, 4, rank=2)
        icae.start(llm.get_input_embeddings().weight)
        for lora in icae.lora:
            lora.b.data.normal_()
        rows = torch.randn(1, 6, 32)
        alone = icae(rows, torch.tensor([6]))
        padded = icae(torch.cat([torch.randn(1, 3, 32), rows], dim=1), torch.tensor([6]))
        torch.testing.assert_close(padded, alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(llm(ids).logits, plain)
        with tempfile.TemporaryDirectory() as folder:
            icae.save(Path(folder))
            again = AutoModelForCausalLM.from_config(llm.config).eval()
            again.load_state_dict(
                {
                    name.replace(".frozen", ""): value
                    for name, value in llm.state_dict().items()
                    if not name.endswith((".a", ".b"))
                }
            )
            torch.testing.assert_close(Icae.load(Path(folder), again)(rows, torch.tensor([6])), alone)

    def test_a_prefix_of_the_memory_is_its_beginning(self):
        from transformers import AutoModelForCausalLM, LlamaConfig

        torch.manual_seed(6)
        icae = Icae(
            AutoModelForCausalLM.from_config(
                LlamaConfig(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
            ).eval(),
            4,
            rank=2,
        )
        rows, lengths = torch.randn(1, 6, 32), torch.tensor([6])
        torch.testing.assert_close(icae(rows, lengths)[:, :2], icae(rows, lengths, keep=2))


class InductionTest(unittest.TestCase):
    def test_the_start_looks_back_and_finds_repetitions(self):
        from transformers import AutoModelForCausalLM, LlamaConfig

        torch.manual_seed(5)
        llm = AutoModelForCausalLM.from_config(
            LlamaConfig(
                vocab_size=300,
                hidden_size=128,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                attention_bias=True,
                tie_word_embeddings=True,
            ),
            attn_implementation="eager",
        )
        start_with_induction(llm)
        ids = torch.randperm(300)[:24].repeat(2)[None]
        look, find = llm(ids, output_attentions=True).attentions
        for head in range(4):
            for row in range(6, 48):
                self.assertEqual(int(look[0, head, row].argmax()), row - head - 1)
        successors = [int(find[0, 0, row].argmax()) == row - 23 for row in range(26, 47)]
        self.assertGreater(sum(successors), 12)  # of 21


class DataTest(unittest.TestCase):
    def test_lines_with_the_same_context_are_one_document(self):
        class Letters:
            eos = 0
            encode = staticmethod(lambda text: list(text.encode()))

        line = '{"context": "%s", "question": "q", "answer": "a", "kind": "k"}\n'
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "data.jsonl"
            file.write_text("".join(line % context for context in ("one", "one", "two", "three", "four", "longer than ten")))
            plain = read_documents(file, Letters(), Prompt(), 10)
            self.assertEqual(
                [(d.text, len(d.questions)) for d in plain], [("one", 2), ("two", 1), ("three", 1), ("four", 1)]
            )
            self.assertEqual(plain[0].questions[0].answer, [97, 0])
            self.assertEqual(
                [d.text for d in read_documents(file, Letters(), Prompt(), 10, breaks=True)],
                ["one", "two", "three", "four\n"],
            )
            self.assertEqual(len(read_documents(file, Letters(), Prompt(), 10, most=2)), 2)

    def test_contexts_left_out_are_counted_aloud(self):
        class Letters:
            eos = 0
            encode = staticmethod(lambda text: list(text.encode()))

        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
            file = Path(folder) / "data.jsonl"
            file.write_text(
                "".join(json.dumps({"context": text, "questions": []}) + "\n" for text in ("short", "rather long", "", "x"))
            )
            self.assertEqual([d.text for d in read_documents(file, Letters(), Prompt(), 8)], ["short", "x"])
        self.assertTrue(
            said.getvalue().endswith("2 of 4 contexts are left out: 1 have more than 8 tokens, 1 have none\n"), said
        )

    def test_each_chunk_is_digested_alone(self):
        former = Former(FormerConfig(32, 48, 2, 4, 4, 8, 16))
        embed = torch.nn.Embedding(50, 32)
        long = Document("", list(range(20)), [])
        parts = [Document("", long.ids[:10], []), Document("", long.ids[10:], [])]
        found = digest_rows(former, embed, [long, parts[0]], 16, None, "cpu")
        wanted = torch.cat(digest_rows(former, embed, parts, 16, None, "cpu"))
        torch.testing.assert_close(found[0], wanted)
        self.assertEqual(found[1].shape, (8, 32))

    def test_pieces_are_parts_of_their_documents_and_fill_a_batch(self):
        a = parse(
            ["lm", "--data", "d", "--validation", "v", "-o", "o", "--chunk", "8", "--digests", "2", "--batch-tokens", "60"]
        )
        documents = [Document("", list(range(100, 120)), []), Document("", list(range(200, 203)), [])]
        sizes = set()
        for seed in range(40):
            found = pieces(documents, 20, a, random.Random(seed))
            self.assertTrue(all(d.ids == list(range(d.ids[0], d.ids[-1] + 1)) for d in found))
            sizes.add(max(len(d.ids) for d in found))
        self.assertTrue({8, 20} <= sizes and sizes - {8, 20}, sizes)  # whole chunks, documents, and others
        self.assertEqual(max(len(d.ids) for d in pieces(documents, 2, a, random.Random(1))), 2)
        cost = 1.6 * 8 + 2
        self.assertEqual(len(pieces(documents * 9, 8, a, random.Random(1))), int(60 / cost))

    def test_lengths_are_told_apart_by_quarters_and_doublings_of_a_chunk(self):
        self.assertEqual(
            [length_class(n, 64) for n in (0, 1, 16, 17, 64, 65, 128, 129, 512)], [16, 16, 16, 32, 64, 128, 128, 256, 512]
        )

    def test_batches_depend_on_seed_and_step_alone(self):
        documents = [Document(str(i), [1] * (8 + i % 40), []) for i in range(400)]
        first, second = Batches(documents, 300, 5), Batches(documents, 300, 5)
        first.draw(0, 0.0, lambda n: n)
        self.assertEqual(
            [d.text for d in first.draw(9, 0.5, lambda n: n)], [d.text for d in second.draw(9, 0.5, lambda n: n)]
        )

    def test_the_shortest_documents_come_first_however_long(self):
        batches = Batches([Document("", [1] * n, []) for n in (50, 80)], 300, 5)
        self.assertEqual({len(d.ids) for s in range(20) for d in batches.draw(s, 0.0, lambda n: n)}, {50})

    def test_documents_grow(self):
        documents = [Document(str(i), [1] * (8 + i % 56), []) for i in range(400)]
        batches = Batches(documents, 300, 5)
        self.assertLess(max(len(d.ids) for s in range(50) for d in batches.draw(s, 0.0, lambda n: n)), 32)
        self.assertEqual(max(len(d.ids) for s in range(200) for d in batches.draw(s, 0.5, lambda n: n)), 63)

    def test_only_answers_and_copies_count_fully(self):
        question = Question([7, 8], [9, 2], "who", "", "")
        document = Document("", [3, 4, 5], [question])
        asked = lm_sequence(document, random.Random(1), [6], 2, copies=0.0)
        self.assertEqual(asked.ids, [3, 4, 5, 7, 8, 9, 2])
        self.assertEqual(asked.weights, [0.15] * 3 + [0.0] * 2 + [2.0] * 2)
        copied = lm_sequence(document, random.Random(1), [6], 2, copies=1.0)
        self.assertEqual(copied.ids, [3, 4, 5, 6, 3, 4, 5, 2])
        self.assertEqual(copied.weights, [0.15] * 3 + [0.0] + [1.0] * 4)

    def test_the_rate_rises_stays_and_falls(self):
        self.assertLess(rate_at(0, 1000, 0.4), 0.1)
        self.assertEqual(rate_at(500, 1000, 0.4), 1.0)
        self.assertAlmostEqual(rate_at(800, 1000, 0.4), 0.5)
        self.assertEqual(rate_at(1000, 1000, 0.4), 0.0)


class OptionsTest(unittest.TestCase):
    REQUIRED = ["--data", "d", "--validation", "v", "-o", "o"]

    def test_a_preset_gives_what_the_command_line_does_not(self):
        options = parse(["pretrain", *self.REQUIRED, "--chunk", "32"])
        self.assertEqual((options.sizes.chunk, options.sizes.digests), (32, 16))
        self.assertEqual((options.schedule.steps, options.schedule.grown, options.mixture.reconstruct), (1000, 0.4, 0.5))

    def test_a_stage_has_defaults_of_its_own(self):
        options = parse(["finetune", *self.REQUIRED, "--preset", "gpu"])
        self.assertEqual((options.schedule.steps, options.schedule.grown, options.mixture.reconstruct), (8000, 0.0, 0.25))
        self.assertEqual(parse(["finetune", *self.REQUIRED, "--steps", "7", "--reconstruct", "0"]).schedule.steps, 7)
        self.assertEqual(parse(["finetune", *self.REQUIRED, "--reconstruct", "0"]).mixture.reconstruct, 0.0)

    def test_without_biases_nothing_starts_in_place(self):
        self.assertTrue(parse(["lm", *self.REQUIRED]).start.in_place)
        self.assertFalse(parse(["lm", *self.REQUIRED, "--no-bias"]).start.in_place)


class RunTest(unittest.TestCase):
    class Square:
        """The square of a parameter, with noise that depends on the step."""

        def __init__(self, module):
            self.module = module

        def loss(self, step, progress):
            return ((self.module.weight + torch.randn(1) * 0.1) ** 2).sum(), progress, 3

        def validate(self):
            return {"size": float(self.module.weight.abs().mean())}

    def run_to(self, folder, steps, ends, rate="0.01"):
        """A run of `steps`, which is stopped after `ends` of them."""
        torch.manual_seed(2)
        module = torch.nn.Linear(4, 3)
        options = parse(
            [
                "lm",
                *OptionsTest.REQUIRED[:4],
                "-o",
                str(folder),
                "--device",
                "cpu",
                "--steps",
                str(steps),
                "--no-bf16",
                "--rate",
                rate,
                "--log-every",
                "4",
                "--validate-every",
                "8",
            ]
        )
        run = Run(options, module, self.Square(module))
        if ends < steps:
            while run.step < ends:
                run.advance()
            run.save()
        else:
            run.train()
        return run

    def test_a_run_that_went_on_equals_one_that_was_not_stopped(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            whole = self.run_to(Path(folder) / "whole", 12, 12)
            self.run_to(Path(folder) / "parts", 12, 5)
            parts = self.run_to(Path(folder) / "parts", 12, 12)
            self.assertEqual(parts.step, 12)
            self.assertTrue(torch.equal(whole.module.weight, parts.module.weight))
            self.assertEqual(
                (Path(folder) / "whole/loss.csv").read_text().splitlines()[0], "step,tokens,seconds,loss,token_accuracy,size"
            )
            self.assertTrue((Path(folder) / "whole/loss.png").exists())

    def test_a_plot_that_fails_does_not_cost_the_run(self):
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as said,
            mock.patch.dict("sys.modules", matplotlib=None),
        ):
            run = self.run_to(Path(folder), 4, 4)
            self.assertEqual(run.step, 4)
            self.assertTrue((Path(folder) / "checkpoint.pt").exists())
        self.assertIn("train: no plot", said.getvalue())


class CorpusTest(unittest.TestCase):
    def test_splits_share_no_person(self):
        people = {}
        for split in ("train", "validation", "test"):
            generator = generate.Generator(split, 1, "tiny", ("who",))
            people[split] = {
                q["answer"] for _ in range(300) for q in generator.document(50)["questions"] if " " in q["answer"]
            }
            self.assertGreater(len(people[split]), 10)
        self.assertFalse(
            people["train"] & people["test"]
            or people["train"] & people["validation"]
            or people["test"] & people["validation"]
        )

    def test_the_same_seed_gives_the_same_documents(self):
        first, second = (generate.Generator("train", 4) for _ in range(2))
        self.assertEqual([first.document(60) for _ in range(20)], [second.document(60) for _ in range(20)])

    def test_answers_stand_in_their_context(self):
        generator = generate.Generator("train", 2, "small", generate.EXTRACTIVE)
        for _ in range(300):
            document = generator.document(70)
            for q in document["questions"]:
                if q["kind"] != "yes/no":
                    for word in q["answer"].split():
                        self.assertIn(word, document["context"], q)

    def test_unseen_phrasings_are_unseen(self):
        seen, unseen = (generate.Generator(split, 1, "tiny") for split in ("test", "test-phrasing"))
        said = " ".join(seen.document(60)["context"] for _ in range(300))
        said_unseen = " ".join(unseen.document(60)["context"] for _ in range(300))
        self.assertNotIn("makes a living", said)
        self.assertIn("makes a living", said_unseen)
        self.assertNotIn("works as", said_unseen)


class MetricsTest(unittest.TestCase):
    def test_exact_match_ignores_case_and_punctuation(self):
        self.assertEqual(metrics.exact_match("Oslo.", "oslo"), 1.0)
        self.assertEqual(metrics.exact_match("Oslo", "Bergen"), 0.0)

    def test_f1_and_rouge(self):
        self.assertAlmostEqual(metrics.f1("a b c", "b c d"), 2 / 3)
        self.assertAlmostEqual(metrics.f1("the the cat", "the cat"), 4 / 5)
        self.assertAlmostEqual(metrics.rouge_2("a b c d", "b c d e"), 2 / 3)
        self.assertEqual(metrics.rouge_2("a", "a b"), 0.0)
        self.assertIsNone(metrics.rouge_2("a b", "a"))
        self.assertAlmostEqual(metrics.rouge_l("a b c d", "b a c d"), 0.75)

    def test_bleu(self):
        self.assertEqual(metrics.bleu4(list("abcdef"), list("abcdef")), 1.0)
        self.assertEqual(metrics.bleu4(list("abc"), list("xyz")), 0.0)
        self.assertAlmostEqual(metrics.bleu4(list("abcde"), list("abcdef")), np.exp(1 - 6 / 5))
