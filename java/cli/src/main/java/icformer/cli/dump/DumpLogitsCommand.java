package icformer.cli.dump;

import icformer.KvType;
import icformer.Model;
import icformer.Outputs;
import icformer.RowType;
import icformer.Sampling;
import icformer.Session;
import icformer.SessionOptions;
import icformer.cli.command.AdapterArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.command.TokenIds;
import icformer.cli.console.CommandException;
import icformer.cli.console.Streams;
import icformer.files.ElementType;
import icformer.files.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes the logits of every row of a prompt. */
@Command(
        name = "logits",
        description = {
            "Write the logits of every row of a prompt: tensor logits [n, vocabulary] F32.",
            "With --generate also the greedy tokens, ids [N] I32, and the logits they were taken from, generated_logits "
                    + "[N, vocabulary] F32; generation goes on behind an end of text."
        })
public final class DumpLogitsCommand extends IcfCommand {
    /** The prompt. */
    private static final class Source {
        @Option(
                names = "--tokens",
                paramLabel = "IDS",
                required = true,
                converter = TokenIds.Converter.class,
                description = TokenIds.DESCRIPTION)
        private @Nullable TokenIds tokens;

        @Option(
                names = "--embeddings",
                paramLabel = "FILE",
                required = true,
                description = "Safetensors file whose only tensor is the rows of the prompt [n, width].")
        private @Nullable Path embeddings;
    }

    /** Appends a part of the prompt. */
    private interface Append {
        void run(Session session, long first, int count);
    }

    @ArgGroup(multiplicity = "1")
    private Source source = new Source();

    @Option(
            names = "--generate",
            paramLabel = "N",
            description = "Greedy tokens to generate behind the prompt (default: 0).")
    private int generate;

    @Option(
            names = "--kv-type",
            paramLabel = "TYPE",
            description = "Type of the KV cache: F32, F16 or Q8_0 (default: F32, since this is a tool for numerics).")
    private KvType kvType = KvType.F32;

    @Option(
            names = "--ctx",
            paramLabel = "N",
            description = "Positions the session holds (default: as many as are needed).")
    private int contextLength;

    @Mixin
    private DumpOutput output = new DumpOutput();

    @Mixin
    private AdapterArguments adapterArguments = new AdapterArguments();

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    public DumpLogitsCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (generate < 0) {
            throw usage("--generate must be 0 or more");
        }
        if (source.embeddings != null) {
            output.check(modelArguments.file(), source.embeddings);
        } else {
            output.check(modelArguments.file());
        }
        try (Model model = modelArguments.open();
                Arena arena = Arena.ofConfined()) {
            if (source.tokens != null) {
                int[] tokens = source.tokens.values();
                dump(
                        model,
                        tokens.length,
                        (session, first, count) -> session.append(
                                Arrays.copyOfRange(tokens, (int) first, (int) first + count), Outputs.logits(count)));
            } else {
                Path file = Objects.requireNonNull(source.embeddings);
                Embeddings embeddings = Embeddings.read(file, model.info().width(), arena);
                long rowBytes = (long) model.info().width() * Float.BYTES;
                dump(
                        model,
                        embeddings.count(),
                        (session, first, count) -> session.append(
                                embeddings.rows().asSlice(first * rowBytes, count * rowBytes),
                                RowType.F32,
                                count,
                                Outputs.logits(count)));
            }
        }
    }

    private void dump(Model model, long length, Append append) throws IOException {
        if (length == 0) {
            throw new CommandException("the prompt is empty");
        }
        long vocabulary = model.info().vocabularySize();
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        entries.add(new SafetensorsWriter.Entry("logits", ElementType.F32, List.of(length, vocabulary)));
        if (generate > 0) {
            entries.add(new SafetensorsWriter.Entry(
                    "generated_logits", ElementType.F32, List.of((long) generate, vocabulary)));
            entries.add(new SafetensorsWriter.Entry("ids", ElementType.I32, List.of((long) generate)));
        }
        try (AdapterArguments.Opened adapters = adapterArguments.open(model);
                Session session = open(model, adapters, length);
                SafetensorsWriter writer =
                        SafetensorsWriter.create(output.file(), output.existing(), Map.of(), entries)) {
            writePrompt(session, length, append, writer);
            if (generate > 0) {
                writeGenerated(session, writer);
            }
            writer.commit();
        }
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        entries.forEach(entry -> shapes.put(entry.name(), entry.shape()));
        output.report(shapes, streams());
    }

    private Session open(Model model, AdapterArguments.Opened adapters, long length) {
        long needed = length + Math.max(generate - 1, 0);
        if (contextLength < 0 || contextLength > 0 && needed > contextLength) {
            throw new CommandException("%d positions are needed, but --ctx is %d".formatted(needed, contextLength));
        }
        int trained = model.info().trainedContext();
        if (contextLength == 0 && needed > trained) {
            throw new CommandException("%d positions are needed, but the LLM was trained for %d; --ctx allows more"
                    .formatted(needed, trained));
        }
        return model.openSession(SessionOptions.defaults()
                .withThreads(modelArguments.threads())
                .withContextLength(contextLength == 0 ? (int) needed : contextLength)
                .withKvType(kvType)
                .withAdapters(adapters.scaled()));
    }

    /** Every row of a batch is asked for its logits, so that a batch of them is all that lies in memory. */
    private static void writePrompt(Session session, long length, Append append, SafetensorsWriter writer)
            throws IOException {
        int batch = (int) Math.min(session.info().batchLength(), length);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment logits = allocateRows(session, batch, arena);
            long rowBytes = logits.byteSize() / batch;
            for (long first = 0; first < length; first += batch) {
                int count = (int) Math.min(batch, length - first);
                append.run(session, first, count);
                MemorySegment rows = logits.asSlice(0, count * rowBytes);
                session.logits(0, count, rows);
                writer.write(rows);
            }
        }
    }

    private void writeGenerated(Session session, SafetensorsWriter writer) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, generate);
            MemorySegment row = allocateRows(session, 1, arena);
            // the prompt's last batch kept all its rows; the ones that follow keep one
            long last = lastRowOfPrompt(session);
            for (int i = 0; i < generate; i++) {
                session.logits(i == 0 ? last : 0, 1, row);
                writer.write(row);
                int id = session.sample(Sampling.greedy());
                ids.setAtIndex(ValueLayout.JAVA_INT, i, id);
                if (i + 1 < generate) {
                    session.append(id);
                }
            }
            writer.write(ids);
        }
    }

    private static long lastRowOfPrompt(Session session) {
        return (session.length() - 1) % session.info().batchLength();
    }

    private static MemorySegment allocateRows(Session session, long rows, Arena arena) {
        return arena.allocate(rows * session.model().info().vocabularySize() * Float.BYTES, 64);
    }
}
