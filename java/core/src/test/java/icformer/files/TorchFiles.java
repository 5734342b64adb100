package icformer.files;

import icformer.TestData;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes files as {@code torch.save} does. */
public final class TorchFiles {
    private TorchFiles() {}

    /** A state dict of contiguous tensors, each with a storage of its own. */
    public static void write(Path file, Map<String, StoredTensor> tensors) throws IOException {
        Pickle pickle = new Pickle()
                .protocol(2)
                .global("collections", "OrderedDict")
                .op(')')
                .op('R')
                .mark();
        Map<String, byte[]> storages = new LinkedHashMap<>();
        for (Map.Entry<String, StoredTensor> entry : tensors.entrySet()) {
            StoredTensor tensor = entry.getValue();
            String key = String.valueOf(storages.size());
            storages.put("archive/data/" + key, TestData.bytes(tensor).toArray(ValueLayout.JAVA_BYTE));
            pickle.text(entry.getKey())
                    .tensor(
                            storage(tensor.type()),
                            key,
                            tensor.elements(),
                            0,
                            longs(tensor.shape()),
                            longs(tensor.strides()));
        }
        Map<String, byte[]> entries = new LinkedHashMap<>();
        entries.put("archive/data.pkl", pickle.op('u').op('.').bytes());
        entries.putAll(storages);
        zip(file, Packing.STORED, entries);
    }

    private static String storage(ElementType type) {
        return switch (type) {
            case F32 -> "FloatStorage";
            case F16 -> "HalfStorage";
            case BF16 -> "BFloat16Storage";
            default -> throw new IllegalArgumentException(type.name());
        };
    }

    private static long[] longs(List<Long> values) {
        return values.stream().mapToLong(Long::longValue).toArray();
    }

    /** How the entries of an archive are packed. */
    public enum Packing {
        STORED,
        DEFLATED
    }

    public static void zip(Path file, Packing packing, Map<String, byte[]> entries) throws IOException {
        try (OutputStream out = Files.newOutputStream(file);
                ZipOutputStream zip = new ZipOutputStream(out)) {
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                ZipEntry header = new ZipEntry(entry.getKey());
                if (packing == Packing.STORED) {
                    CRC32 crc = new CRC32();
                    crc.update(entry.getValue());
                    header.setMethod(ZipEntry.STORED);
                    header.setSize(entry.getValue().length);
                    header.setCrc(crc.getValue());
                }
                zip.putNextEntry(header);
                zip.write(entry.getValue());
                zip.closeEntry();
            }
        }
    }

    /** Writes pickles instruction by instruction. */
    public static final class Pickle {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();
        private int memo;

        /** Nothing yet. */
        public Pickle() {}

        public Pickle protocol(int version) {
            return op(0x80).op(version);
        }

        public Pickle op(int instruction) {
            out.write(instruction);
            return this;
        }

        public Pickle raw(byte[] bytes) {
            out.writeBytes(bytes);
            return this;
        }

        public Pickle mark() {
            return op('(');
        }

        public Pickle memoize() {
            return op('q').op(memo++);
        }

        public Pickle text(String text) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            return op('X').raw(little(4, utf8.length)).raw(utf8);
        }

        public Pickle shortText(String text) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            return op(0x8c).op(utf8.length).raw(utf8);
        }

        public Pickle integer(long value) {
            return op(0x8a).op(8).raw(little(8, value));
        }

        public Pickle tuple(long... values) {
            mark();
            for (long value : values) {
                integer(value);
            }
            return op('t');
        }

        public Pickle global(String module, String name) {
            return op('c').raw((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
        }

        public Pickle tensor(String storage, String key, long elements, long offset, long[] shape, long[] strides) {
            return global("torch._utils", "_rebuild_tensor_v2")
                    .mark()
                    .mark()
                    .text("storage")
                    .global("torch", storage)
                    .text(key)
                    .text("cuda:0")
                    .integer(elements)
                    .op('t')
                    .op('Q')
                    .integer(offset)
                    .tuple(shape)
                    .tuple(strides)
                    .op(0x89)
                    .global("collections", "OrderedDict")
                    .op(')')
                    .op('R')
                    .op('t')
                    .op('R');
        }

        public Pickle dictionary(String name, String key, long elements, long offset, long[] shape, long[] strides) {
            return protocol(2)
                    .op('}')
                    .text(name)
                    .tensor("HalfStorage", key, elements, offset, shape, strides)
                    .op('s')
                    .op('.');
        }

        public byte[] bytes() {
            return out.toByteArray();
        }

        private static byte[] little(int bytes, long value) {
            byte[] all = new byte[8];
            ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).putLong(value);
            return Arrays.copyOf(all, bytes);
        }
    }
}
