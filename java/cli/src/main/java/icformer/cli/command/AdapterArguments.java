package icformer.cli.command;

import icformer.Adapter;
import icformer.Model;
import icformer.cli.console.CommandException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Which low-rank adapters change the LLM. */
public final class AdapterArguments {
    @Option(
            names = "--lora",
            paramLabel = "FILE[:SCALE]",
            description =
                    "Low-rank adapter of the LLM, a GGUF file, and what its scale is multiplied with (default: 1); may be "
                            + "given several times.")
    private List<String> adapters = List.of();

    /**
     * An adapter as it was named.
     *
     * @param file where it is
     * @param scale multiplies its own scale
     */
    public record Named(Path file, float scale) {}

    /** Adapters that are open: close them after the sessions that use them. */
    public static final class Opened implements AutoCloseable {
        private final List<Adapter.Scaled> adapters = new ArrayList<>();

        private Opened() {}

        /** With their scales, in the order they were named in. */
        public List<Adapter.Scaled> scaled() {
            return List.copyOf(adapters);
        }

        @Override
        public void close() {
            adapters.forEach(each -> each.adapter().close());
        }
    }

    /** Those that were named, in that order. */
    public List<Named> named() {
        return adapters.stream().map(AdapterArguments::parse).toList();
    }

    /** Opens those that were named. */
    public Opened open(Model model) throws IOException {
        Opened opened = new Opened();
        try {
            for (Named each : named()) {
                opened.adapters.add(model.openAdapter(each.file()).scaled(each.scale()));
            }
            return opened;
        } catch (IOException | RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    /** What follows the last colon is the scale, unless a file has the whole name. */
    private static Named parse(String text) {
        int colon = text.lastIndexOf(':');
        if (colon <= 0 || Files.exists(Path.of(text))) {
            return new Named(Path.of(text), 1);
        }
        String scale = text.substring(colon + 1);
        try {
            float number = Float.parseFloat(scale);
            if (Float.isFinite(number)) {
                return new Named(Path.of(text.substring(0, colon)), number);
            }
        } catch (NumberFormatException e) {
            // told below
        }
        throw new CommandException("%s: '%s' is no scale, and there is no such file".formatted(text, scale));
    }
}
