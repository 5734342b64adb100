package icformer.cli.eval;

import icformer.KvType;
import icformer.Model;
import icformer.SessionOptions;
import icformer.cli.console.CommandException;
import icformer.cli.console.Streams;
import icformer.cli.console.TextSource;
import icformer.eval.TextWindows;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine.Option;

/** A text that models predict, and the windows it is divided into. */
final class TextArguments {
    private static final int DEFAULT_CONTEXT = 512;

    @Option(names = "--text", paramLabel = "FILE", required = true, description = "The text; - reads standard input.")
    private String text = "";

    @Option(names = "--encoding", paramLabel = "NAME", description = "Encoding of the text (default: UTF-8).")
    private Charset encoding = StandardCharsets.UTF_8;

    @Option(
            names = "--ctx",
            paramLabel = "N",
            description =
                    "Tokens of a window (default: 512, or what the LLM was trained for if that is less). Each begins "
                            + "with an empty cache, and its second half counts.")
    private int contextLength;

    @Option(
            names = "--stride",
            paramLabel = "N",
            description = "Begin a window every N tokens and count its last N (default: windows follow one another).")
    private int stride;

    @Option(
            names = "--kv-type",
            paramLabel = "TYPE",
            description = "Type of the KV cache: F16, Q8_0 or F32 (default: F16).")
    private KvType kvType = KvType.F16;

    @Option(names = "--windows", paramLabel = "N", description = "Most windows to compute (default: all).")
    private int windows;

    /** The tokens of the text. */
    int[] tokens(Model model, Streams streams) throws IOException {
        return model.tokenizer().encode(TextSource.read(text, encoding, streams));
    }

    SessionOptions session(int threads) {
        return SessionOptions.defaults().withThreads(threads).withKvType(kvType);
    }

    TextWindows windows(Model model) {
        if (contextLength < 0 || contextLength == 1) {
            throw new CommandException("--ctx is %d, but must be 2 or more".formatted(contextLength));
        }
        int context =
                contextLength == 0 ? Math.min(DEFAULT_CONTEXT, model.info().trainedContext()) : contextLength;
        if (stride < 0 || stride >= context) {
            throw new CommandException("--stride is %d, but must be 0 to %d".formatted(stride, context - 1));
        }
        if (windows < 0) {
            throw new CommandException("--windows is %d, but must be 0 or more".formatted(windows));
        }
        return TextWindows.of(context).withStride(stride).withLimit(windows);
    }
}
