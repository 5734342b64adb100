/**
 * Long contexts become short digests in front of a frozen, quantised LLM.
 *
 * <p>A {@link icformer.Digester} (an In-Context Former, arXiv 2406.13618) turns the tokens of a context into a few rows of
 * the LLM's embedding width; a {@link icformer.Session} of the LLM reads those rows in place of the context:
 *
 * {@snippet lang = java :
 * import icformer.*;
 * import java.nio.file.*;
 *
 * class Ask {
 *     public static void main(String[] args) throws Exception {
 *         try (Model model = Model.open(Path.of(args[0]));
 *                 Digester digester = model.openDigester(Path.of(args[1]));
 *                 Session session = model.openSession()) {
 *             ContextPrompt prompt = ContextPrompt.of(digester, model.tokenizer());
 *             int[] context = prompt.encodeContext(Files.readString(Path.of(args[2])));
 *             session.append(prompt.with(digester.digest(context), args[3]));
 *             session.generate(Sampling.greedy(), 64).forEachRemaining(token -> System.out.print(token.text()));
 *         }
 *     }
 * }
 * }
 *
 * <p>Rows live off-heap, in memory that Java owns: the native library writes them there and reads them from there. Whatever
 * is wrong with a file is a {@link java.io.IOException}; all else that fails is an {@link icformer.error.IcfException}, which says
 * its {@link icformer.error.Status}. Nothing here is null unless it says so.
 *
 * <p>The native library comes with the module or jar {@code icformer-native}, from which the first call extracts it into
 * the user's cache; the system property {@code icformer.library.path} names a folder to take it from instead. The JVM needs
 * {@code --enable-native-access=icformer,icformer.bindings}, or {@code ALL-UNNAMED} on the class path.
 */
@NullMarked
package icformer;

import org.jspecify.annotations.NullMarked;
