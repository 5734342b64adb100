package icformer.files;

import static icformer.files.TorchFiles.zip;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.TestData;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.TorchFiles.Packing;
import icformer.files.TorchFiles.Pickle;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TorchFileTest {
    @TempDir
    private Path folder;

    @Test
    void readsParameterFilesOfTheReference() throws IOException {
        for (Path checkpoint : new Path[] {Checkpoints.TINY, Checkpoints.TINY_BF16}) {
            try (Arena arena = Arena.ofConfined()) {
                Map<String, StoredTensor> read = TorchFile.read(checkpoint.resolve("param.pt"), arena);
                Safetensors expected = Safetensors.open(checkpoint.resolve("param_check.safetensors"), arena);
                assertThat(read.keySet())
                        .containsExactlyInAnyOrderElementsOf(expected.tensors().keySet());
                read.forEach(
                        (name, tensor) -> assertSame(tensor, expected.tensors().get(name)));
            }
        }
    }

    private static void assertSame(StoredTensor tensor, StoredTensor expected) {
        assertThat(tensor.type()).isEqualTo(expected.type());
        assertThat(tensor.shape()).isEqualTo(expected.shape());
        assertThat(TestData.bytes(tensor).mismatch(TestData.bytes(expected)))
                .as(tensor.name())
                .isEqualTo(-1);
    }

    /** {@code torch.save(module.state_dict())}: an OrderedDict with its _metadata, and two views of one storage. */
    @Test
    void readsAStateDictWithViews() throws IOException {
        byte[] pickle = new Pickle()
                .protocol(2)
                .global("collections", "OrderedDict")
                .op(')')
                .op('R')
                .memoize()
                .mark()
                .text("rows")
                .tensor("HalfStorage", "0", 8, 2, new long[] {2, 3}, new long[] {3, 1})
                .text("columns")
                .tensor("HalfStorage", "0", 8, 2, new long[] {3, 2}, new long[] {1, 3})
                .op('u')
                .op('}')
                .text("_metadata")
                .op('}')
                .op('s')
                .op('b')
                .op('.')
                .bytes();
        Path file = archive(Packing.STORED, pickle, Map.of("0", halves(0, 1, 2, 3, 4, 5, 6, 7)));
        try (Arena arena = Arena.ofConfined()) {
            Map<String, StoredTensor> tensors = TorchFile.read(file, arena);
            assertThat(tensors.keySet()).containsExactly("rows", "columns");
            assertThat(floats(tensors.get("rows"))).containsExactly(2f, 3f, 4f, 5f, 6f, 7f);
            assertThat(floats(tensors.get("columns"))).containsExactly(2f, 5f, 3f, 6f, 4f, 7f);
        }
    }

    /** The same dictionary as pickle protocol 4 writes it: frames, short texts, names from the stack. */
    @Test
    void readsProtocol4() throws IOException {
        byte[] pickle = new Pickle()
                .protocol(4)
                .op(0x95)
                .raw(new byte[8])
                .op('}')
                .op(0x94)
                .shortText("a")
                .op(0x94)
                .shortText("torch._utils")
                .shortText("_rebuild_tensor_v2")
                .op(0x93)
                .mark()
                .mark()
                .shortText("storage")
                .shortText("torch")
                .shortText("FloatStorage")
                .op(0x93)
                .shortText("0")
                .shortText("cpu")
                .integer(1)
                .op('t')
                .op('Q')
                .integer(0)
                .op(0x8a)
                .raw(new byte[] {1, 1})
                .op(0x85)
                .integer(1)
                .op(0x85)
                .op(0x89)
                .op('N')
                .op('t')
                .op('R')
                .op('s')
                .op('.')
                .bytes();
        Path file = archive(Packing.STORED, pickle, Map.of("0", floatBytes(2.5f)));
        try (Arena arena = Arena.ofConfined()) {
            assertThat(floats(TorchFile.read(file, arena).get("a"))).containsExactly(2.5f);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "os, system",
        "posix, system",
        "builtins, eval",
        "torch, DoubleStorage",
        "torch, LongStorage",
        "torch._utils, _rebuild_device_tensor_from_numpy",
        "torch.storage, _load_from_bytes",
        "collections, defaultdict",
        "numpy.core.multiarray, _reconstruct"
    })
    void refusesEveryOtherNameBeforeItIsCalled(String module, String name) throws IOException {
        byte[] pickle = new Pickle()
                .protocol(2)
                .global(module, name)
                .text("touch x")
                .op(0x85)
                .op('R')
                .op('.')
                .bytes();
        assertRefused(pickle, Status.UNSUPPORTED, "the pickle uses " + module + "." + name);

        byte[] fromStack = new Pickle()
                .protocol(4)
                .shortText(module)
                .shortText(name)
                .op(0x93)
                .op('.')
                .bytes();
        assertRefused(fromStack, Status.UNSUPPORTED, "the pickle uses " + module + "." + name);
    }

    @ParameterizedTest
    @CsvSource({"i", "o", "B", "C", "S", "T", "U", "I", "F", "L", "P", "\u0081", "\u0082", "\u0092", "\u008f", "\u0096"
    })
    void refusesInstructionsThatTensorsDoNotNeed(String instruction) throws IOException {
        byte[] pickle = new Pickle()
                .protocol(2)
                .op(instruction.charAt(0))
                .raw(new byte[16])
                .bytes();
        assertRefused(pickle, Status.UNSUPPORTED, "the pickle uses instruction 0x%02x".formatted((int)
                        instruction.charAt(0)));
    }

    @Test
    void refusesTensorsThatReachBeyondTheirStorage() throws IOException {
        assertTensorRefused(8, 3, new long[] {2, 3}, new long[] {3, 1}, "reaches beyond its storage of 8 elements");
        assertTensorRefused(8, 0, new long[] {2, 2}, new long[] {7, 1}, "reaches beyond its storage");
        assertTensorRefused(8, -1, new long[] {1}, new long[] {1}, "reaches beyond its storage");
        assertTensorRefused(8, 9, new long[] {0}, new long[] {1}, "reaches beyond its storage");
        assertTensorRefused(8, 0, new long[] {1L << 31, 1L << 31, 1L << 31}, new long[] {0, 0, 0}, "too large");
        assertTensorRefused(8, 0, new long[] {2}, new long[] {Long.MAX_VALUE}, "reaches beyond its storage");
        assertTensorRefused(8, 1, new long[] {3}, new long[] {Long.MAX_VALUE}, "too large");
        assertTensorRefused(8, 0, new long[] {-1}, new long[] {1}, "no tuple of at most 8 lengths");
        assertTensorRefused(8, 0, new long[] {8}, new long[] {-1}, "no tuple of at most 8 lengths");
        assertTensorRefused(8, 0, new long[] {2, 2}, new long[] {1}, "2 dimensions and 1 strides");
    }

    @Test
    void refusesStoragesThatAreNotWhatTheyClaim() throws IOException {
        assertTensorRefused(7, 0, new long[] {7}, new long[] {1}, "16 bytes are not the 7 elements of F16");
        assertTensorRefused(9, 0, new long[] {8}, new long[] {1}, "16 bytes are not the 9 elements of F16");
        assertTensorRefused(Long.MAX_VALUE, 0, new long[] {Long.MAX_VALUE}, new long[] {1}, "16 bytes are not the");
        byte[] elsewhere = new Pickle()
                .dictionary("a", "../../x", 8, 0, new long[] {8}, new long[] {1})
                .bytes();
        assertRefused(elsewhere, Status.FORMAT, "the zip archive has no entry model/data/../../x");
    }

    @Test
    void refusesPicklesThatAreNoDictionaryOfTensors() throws IOException {
        assertRefused(new Pickle().protocol(2).op('N').op('.').bytes(), Status.FORMAT, "no dictionary of tensors");
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .op('}')
                        .text("lr")
                        .integer(3)
                        .op('s')
                        .op('.')
                        .bytes(),
                Status.FORMAT,
                "its entry lr is no tensor");
        assertRefused(new Pickle().protocol(9).bytes(), Status.UNSUPPORTED, "pickle protocol 9");
    }

    @Test
    void refusesDamagedPickles() throws IOException {
        assertRefused(new byte[0], Status.FORMAT, "ends too early");
        assertRefused(new Pickle().protocol(2).op('R').bytes(), Status.FORMAT, "damaged");
        assertRefused(new Pickle().protocol(2).op('t').bytes(), Status.FORMAT, "a mark is missing");
        assertRefused(new Pickle().protocol(2).op(0x87).bytes(), Status.FORMAT, "damaged");
        assertRefused(new Pickle().protocol(2).op('h').raw(new byte[] {5}).bytes(), Status.FORMAT, "before it is set");
        // a text of 2 GiB in 8 bytes of pickle
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .op('X')
                        .raw(new byte[] {-1, -1, -1, 127})
                        .bytes(),
                Status.FORMAT,
                "ends too early");
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .op(0x8d)
                        .raw(new byte[] {-1, -1, -1, -1, -1, -1, -1, -1})
                        .bytes(),
                Status.FORMAT,
                "ends too early");
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .op(0x8a)
                        .raw(new byte[] {9, 0, 0, 0, 0, 0, 0, 0, 0, 1})
                        .bytes(),
                Status.FORMAT,
                "more than 64 bits");
        assertRefused(
                new Pickle().protocol(2).op('}').op(')').op('N').op('s').bytes(),
                Status.FORMAT,
                "neither text nor integer");
        assertRefused(
                new Pickle().protocol(2).op('}').mark().text("a").op('u').bytes(), Status.FORMAT, "a key has no value");
        assertRefused(
                new Pickle().protocol(2).op(']').op('}').op('b').bytes(),
                Status.FORMAT,
                "an object other than a dictionary");
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .global("torch", "FloatStorage")
                        .op(')')
                        .op('R')
                        .bytes(),
                Status.FORMAT,
                "FloatStorage is called");
    }

    @Test
    void refusesCallsWithoutTheirArguments() throws IOException {
        String module = "torch._utils";
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .global(module, "_rebuild_tensor_v2")
                        .op(')')
                        .op('R')
                        .bytes(),
                Status.FORMAT,
                "a tensor has no storage and offset");
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .global(module, "_rebuild_tensor_v2")
                        .tuple(0, 0, 0, 0)
                        .op('R')
                        .bytes(),
                Status.FORMAT,
                "a tensor has no storage and offset");
        for (Pickle argument : List.of(new Pickle().op(')'), new Pickle().tuple(1))) {
            assertRefused(
                    new Pickle()
                            .protocol(2)
                            .global(module, "_rebuild_parameter")
                            .raw(argument.bytes())
                            .op('R')
                            .bytes(),
                    Status.FORMAT,
                    "a parameter has no tensor");
        }
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .global("collections", "OrderedDict")
                        .tuple(1)
                        .op('R')
                        .bytes(),
                Status.FORMAT,
                "an OrderedDict is made with arguments");
        assertRefused(new Pickle().protocol(2).op('N').op(')').op('R').bytes(), Status.FORMAT, "called that cannot be");
        assertRefused(new Pickle().protocol(2).op('N').op('N').op('R').bytes(), Status.FORMAT, "a tuple is expected");
    }

    @Test
    void refusesPersistentIdsThatAreNoStorage() throws IOException {
        Pickle[] parts = {
            new Pickle().text("module"), new Pickle().text("storage"),
            new Pickle().global("collections", "OrderedDict"), new Pickle().global("torch", "HalfStorage"),
            new Pickle().integer(0), new Pickle().text("0"),
            new Pickle().text("8"), new Pickle().integer(8)
        };
        for (int wrong = 0; wrong < 4; wrong++) {
            Pickle id = new Pickle().protocol(2).mark();
            for (int part = 0; part < 4; part++) {
                id.raw(parts[2 * part + (part == wrong ? 0 : 1)].bytes())
                        .raw(part == 2 ? new Pickle().text("cpu").bytes() : new byte[0]);
            }
            assertRefused(id.op('t').op('Q').op('.').bytes(), Status.FORMAT, "a persistent id is no storage");
        }
        assertTensorRefused(-1, 0, new long[] {0}, new long[] {1}, "a persistent id is no storage");
    }

    @Test
    void refusesValuesOfTheWrongKind() throws IOException {
        assertRefused(
                new Pickle().protocol(2).op('}').op('N').op('a').op('.').bytes(), Status.FORMAT, "a list is expected");
        assertRefused(
                new Pickle().protocol(2).op(']').text("k").op('N').op('s').bytes(),
                Status.FORMAT,
                "a dictionary is expected");
        assertRefused(new Pickle().protocol(4).op('N').text("x").op(0x93).bytes(), Status.FORMAT, "a text is expected");
        assertRefused(new Pickle().protocol(2).op('}').op('N').op('b').bytes(), Status.FORMAT, "given a state");
        assertRefused(
                new Pickle()
                        .protocol(2)
                        .op('}')
                        .text("k")
                        .integer(1)
                        .op('s')
                        .text("k")
                        .integer(2)
                        .op('s')
                        .bytes(),
                Status.FORMAT,
                "two entries k");
        assertTensorRefused(8, 0, new long[9], new long[9], "no tuple of at most 8 lengths");
    }

    /** Numbers and lists that other entries of a checkpoint have, in every width; all are read over. */
    @Test
    void readsOverWhatIsNoTensor() throws IOException {
        byte[] pickle = new Pickle()
                .protocol(2)
                .op('}')
                .op('q')
                .op(0)
                .op('K')
                .op(7)
                .op('0')
                .op('M')
                .raw(new byte[] {1, 2})
                .op('0')
                .op('J')
                .raw(new byte[4])
                .op('0')
                .op('G')
                .raw(new byte[8])
                .op('0')
                .op(0x88)
                .op('0')
                .op(0x8a)
                .op(0)
                .op('0')
                .op(0x8a)
                .op(1)
                .op(0xFF)
                .op('0')
                .op(']')
                .op('N')
                .op('a')
                .mark()
                .op('N')
                .op('N')
                .op('e')
                .op('0')
                .op(')')
                .op(')')
                .op(0x86)
                .op('0')
                .op('N')
                .op('N')
                .op('N')
                .op(0x87)
                .op('0')
                .op('j')
                .raw(new byte[4])
                .op('0')
                .op('h')
                .op(0)
                .op('r')
                .raw(new byte[] {1, 0, 0, 0})
                .op('.')
                .bytes();
        try (Arena arena = Arena.ofConfined()) {
            assertThat(TorchFile.read(archive(Packing.STORED, pickle, Map.of()), arena))
                    .isEmpty();
        }
    }

    @Test
    void refusesAPickleTooLargeToNameTensorsOnly() throws IOException {
        assertRefused(new byte[(4 << 20) + 1], Status.UNSUPPORTED, "is too large to name tensors only");
    }

    @Test
    void refusesTheFormatOfOldPyTorchAndBigEndian() throws IOException {
        Path old = Files.write(
                folder.resolve("old.bin"), new Pickle().protocol(2).op(0x8a).bytes());
        assertFileRefused(old, Status.UNSUPPORTED, "PyTorch before 1.6");

        byte[] pickle = new Pickle().protocol(2).op('}').op('.').bytes();
        Map<String, byte[]> entries = new LinkedHashMap<>();
        entries.put("model/data.pkl", pickle);
        entries.put("model/byteorder", "big".getBytes(StandardCharsets.US_ASCII));
        Path big = folder.resolve("big.bin");
        zip(big, Packing.STORED, entries);
        assertFileRefused(big, Status.UNSUPPORTED, "not little-endian");
    }

    /** A few hundred bytes that unpack to megabytes would do so for every entry that names them. */
    @Test
    void refusesCompressedEntries() throws IOException {
        byte[] pickle = new Pickle()
                .dictionary("a", "0", 4, 0, new long[] {4}, new long[] {1})
                .bytes();
        Path file = archive(Packing.DEFLATED, pickle, Map.of("0", new byte[16]));
        assertFileRefused(file, Status.UNSUPPORTED, "is compressed; torch.save stores entries as they are");
    }

    /** The directory's second storage is made to point where the first lies. */
    @Test
    void refusesEntriesThatShareTheirBytes() throws IOException {
        byte[] pickle = new Pickle()
                .dictionary("a", "0", 4, 0, new long[] {4}, new long[] {1})
                .bytes();
        Map<String, byte[]> storages = new LinkedHashMap<>();
        storages.put("0", new byte[16]);
        storages.put("1", new byte[16]);
        Path file = archive(Packing.STORED, pickle, storages);
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Integer> central = new ArrayList<>();
        for (int at = 0; at + 4 <= bytes.capacity(); at++) {
            if (bytes.getInt(at) == 0x02014b50) {
                central.add(at);
            }
        }
        bytes.putInt(central.get(2) + 42, bytes.getInt(central.get(1) + 42));
        Files.write(file, bytes.array());
        assertFileRefused(file, Status.FORMAT, "zip entry model/data/1 lies over zip entry model/data/0");
    }

    /** As {@code torch.Tensor.expand} makes them: a file of kilobytes would become one of gigabytes. */
    @Test
    void refusesTensorsThatRepeatTheirStorage() throws IOException {
        byte[] pickle = new Pickle()
                .dictionary("a", "0", 4, 0, new long[] {1000, 4}, new long[] {0, 1})
                .bytes();
        assertRefused(pickle, Status.UNSUPPORTED, "repeats the 4 elements of its storage");
    }

    @Test
    void refusesArchivesWithoutAPickle() throws IOException {
        Path file = folder.resolve("none.bin");
        zip(file, Packing.STORED, Map.of("model/data/0", new byte[4]));
        assertFileRefused(file, Status.FORMAT, "0 entries named data.pkl");
    }

    /** Every truncation of a valid file is refused; every change of one byte, but for the weights, is or still reads. */
    @Test
    void survivesTruncationAndDamage() throws IOException {
        byte[] valid = Files.readAllBytes(Checkpoints.TINY_BF16.resolve("param.pt"));
        for (int length = 0; length < valid.length; length += 7) {
            byte[] truncated = Arrays.copyOf(valid, length);
            assertThat(survives(truncated)).as("length %d", length).isFalse();
        }
        int weights = 790;
        int end = 2960;
        for (int i = 0; i < valid.length; i += i == weights ? end - weights : 1) {
            byte[] damaged = valid.clone();
            damaged[i] ^= (byte) (1 << i % 8);
            survives(damaged);
        }
    }

    private boolean survives(byte[] bytes) throws IOException {
        Path file = Files.write(folder.resolve("damaged.pt"), bytes);
        try (Arena arena = Arena.ofConfined()) {
            TorchFile.read(file, arena);
            return true;
        } catch (ModelFileException e) {
            assertThat(e.status()).isIn(Status.FORMAT, Status.UNSUPPORTED);
            return false;
        }
    }

    private void assertTensorRefused(long elements, long offset, long[] shape, long[] strides, String reason)
            throws IOException {
        byte[] pickle = new Pickle()
                .dictionary("a", "0", elements, offset, shape, strides)
                .bytes();
        assertRefused(pickle, Status.FORMAT, reason);
    }

    private void assertRefused(byte[] pickle, Status status, String reason) throws IOException {
        assertFileRefused(archive(Packing.STORED, pickle, Map.of("0", new byte[16])), status, reason);
    }

    private static void assertFileRefused(Path file, Status status, String reason) {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> TorchFile.read(file, arena))
                    .isInstanceOfSatisfying(
                            ModelFileException.class,
                            e -> assertThat(e.status()).isEqualTo(status))
                    .hasMessageStartingWith(file + ": ")
                    .hasMessageContaining(reason);
        }
    }

    private Path archive(Packing packing, byte[] pickle, Map<String, byte[]> storages) throws IOException {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        entries.put("model/data.pkl", pickle);
        storages.forEach((key, bytes) -> entries.put("model/data/" + key, bytes));
        Path file = folder.resolve("model.bin");
        zip(file, packing, entries);
        return file;
    }

    private static float[] floats(StoredTensor tensor) throws IOException {
        float[] values = new float[(int) tensor.elements()];
        tensor.readFloats(0, tensor.rows(), values);
        return values;
    }

    private static byte[] halves(float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putShort(Float.floatToFloat16(value));
        }
        return bytes.array();
    }

    private static byte[] floatBytes(float value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(value)
                .array();
    }
}
