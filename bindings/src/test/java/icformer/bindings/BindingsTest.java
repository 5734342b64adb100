package icformer.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The bindings are those of the header, and see it as the C compiler does. */
class BindingsTest {

    private static final Path ROOT = Path.of(System.getProperty("icformer.root"));
    private static final Path HEADER = ROOT.resolve("native/include/icf.h");
    private static final Path ABI = Path.of(System.getProperty("icformer.library.path")).resolveSibling("abi.txt");

    @Test
    void wereGeneratedFromTheHeaderAsItIsNow() throws IOException, NoSuchAlgorithmException {
        Properties made = new Properties();
        try (InputStream in = Files.newInputStream(ROOT.resolve("bindings/jextract.properties"))) {
            made.load(in);
        }
        byte[] sum = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(HEADER));
        assertThat(made.getProperty("header.sha256"))
                .as("SHA-256 of %s when the bindings were generated; bindings/generate.sh makes them anew", HEADER)
                .isEqualTo(HexFormat.of().formatHex(sum));
    }

    /** Every name, size, alignment, offset, kind and value, in both directions: what one side lacks is a difference too. */
    @Test
    void agreeWithTheCompiler() throws IOException, ReflectiveOperationException {
        assertThat(ABI).as("written by the native build: mvn -pl bindings -am").isRegularFile();
        Set<String> compiled = new TreeSet<>(Files.readAllLines(ABI));
        assertThat(compiled).hasSizeGreaterThan(100);
        assertThat(generated()).isEqualTo(compiled);
    }

    /** The lines of native/cmake/abi.awk, from the generated classes. */
    private static Set<String> generated() throws IOException, ReflectiveOperationException {
        Set<String> lines = new TreeSet<>();
        try (Stream<Path> classes = Files.list(Path.of("target/classes/icformer/bindings"))) {
            for (String file : classes.map(path -> path.getFileName().toString()).toList()) {
                if (file.matches("icf_\\w+\\.class")) {
                    addStruct(Class.forName("icformer.bindings." + file.replace(".class", "")), lines);
                }
            }
        }
        for (Method method : IcfNative.class.getDeclaredMethods()) {
            String name = method.getName();
            if (name.startsWith("ICF_") && method.getParameterCount() == 0) {
                lines.add("constant %s %d".formatted(name, ((Number) method.invoke(null)).longValue()));
            } else if (name.endsWith("$descriptor")) {
                lines.add("function " + name.replace("$descriptor", ""));
            }
        }
        return lines;
    }

    private static void addStruct(Class<?> struct, Set<String> lines) throws ReflectiveOperationException {
        String name = struct.getSimpleName();
        MemoryLayout layout = (MemoryLayout) struct.getMethod("layout").invoke(null);
        lines.add("struct %s %d %d".formatted(name, layout.byteSize(), layout.byteAlignment()));
        for (Method method : struct.getDeclaredMethods()) {
            if (method.getName().endsWith("$offset")) {
                String field = method.getName().replace("$offset", "");
                MemoryLayout type = (MemoryLayout) struct.getMethod(field + "$layout").invoke(null);
                lines.add("field %s %s %d %d %s".formatted(name, field, (long) method.invoke(null), type.byteSize(), kind(type)));
            }
        }
    }

    private static String kind(MemoryLayout type) {
        return switch (type) {
            case SequenceLayout array -> kind(array.elementLayout());
            case AddressLayout _ -> "pointer";
            case ValueLayout.OfByte _ -> "char";
            case ValueLayout value -> value.carrier().getName();
            default -> type.toString();
        };
    }
}
