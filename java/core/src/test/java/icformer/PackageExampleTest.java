package icformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of the package's documentation compiles as it stands there, and answers. */
class PackageExampleTest {
    private static final Path SOURCE = Path.of("src", "main", "java", "icformer", "package-info.java");

    @TempDir
    private Path folder;

    @Test
    void exampleCompilesAndAnswers() throws Exception {
        Path source = Files.writeString(folder.resolve("Ask.java"), example());
        Path context = Files.writeString(folder.resolve("context.txt"), "The lamp burned whale oil.");
        compile(source);

        assertThat(run(TestData.LLM.toString(), TestData.former().toString(), context.toString(), "What burned?"))
                .isNotEmpty();
    }

    private static String example() throws IOException {
        Matcher snippet = Pattern.compile("\\{@snippet lang = java :\n(.*?)\n \\* }\n \\*\n", Pattern.DOTALL)
                .matcher(Files.readString(SOURCE));
        assertThat(snippet.find()).isTrue();
        return snippet.group(1).lines().map(line -> line.substring(2)).collect(Collectors.joining("\n"));
    }

    private void compile(Path source) {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        int status = compiler.run(
                null, null, errors, "-proc:none", "-cp", classPath(), "-d", folder.toString(), source.toString());
        assertThat(status).as(errors.toString(StandardCharsets.UTF_8)).isZero();
    }

    private static String classPath() {
        return System.getProperty("java.class.path") + ":" + System.getProperty("jdk.module.path", "");
    }

    private String run(String... arguments) throws ReflectiveOperationException, IOException {
        PrintStream before = System.out;
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
            Method main = loader.loadClass("Ask").getDeclaredMethod("main", String[].class);
            main.setAccessible(true);
            System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
            main.invoke(null, (Object) arguments);
        } finally {
            System.setOut(before);
        }
        return output.toString(StandardCharsets.UTF_8);
    }
}
