package icformer.cli.files;

import icformer.convert.FormerConverter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The texts of a former's prompt. */
final class PromptArguments {
    @Option(
            names = "--prompt-before",
            paramLabel = "TEXT",
            description =
                    "Text before the digest; in this and the next two, \\n, \\t and \\\\ stand for line feed, tab and "
                            + "backslash (default: that of the checkpoint's prompt.json; without one an official checkpoint "
                            + "has the texts of Llama 2, any other one none, and then the LLM's chat template is used).")
    private @Nullable String before;

    @Option(names = "--prompt-question", paramLabel = "TEXT", description = "Text that is put before the question.")
    private @Nullable String question;

    @Option(names = "--prompt-after", paramLabel = "TEXT", description = "Text behind the question.")
    private @Nullable String after;

    /** The texts that were given. */
    FormerConverter.Prompt texts() {
        return new FormerConverter.Prompt(unescaped(before), unescaped(question), unescaped(after));
    }

    private static @Nullable String unescaped(@Nullable String given) {
        return given == null ? null : unescape(given);
    }

    /** Replaces the three escapes; a backslash before anything else stays. */
    static String unescape(String text) {
        StringBuilder plain = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int escape = c == '\\' && i + 1 < text.length() ? "nt\\".indexOf(text.charAt(i + 1)) : -1;
            if (escape >= 0) {
                plain.append("\n\t\\".charAt(escape));
                i++;
            } else {
                plain.append(c);
            }
        }
        return plain.toString();
    }
}
