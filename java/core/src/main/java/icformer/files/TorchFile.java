package icformer.files;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A file of {@code torch.save} that holds a dictionary of tensors: a zip archive with a pickle and one entry per storage.
 *
 * <p>The tensors can be read until the arena is closed; until then nothing of their data is. See {@link TensorUnpickler} for
 * what the pickle may say.
 */
final class TorchFile {
    private static final String PICKLE = "/data.pkl";
    private static final int MAX_BYTE_ORDER = 16;

    private TorchFile() {}

    /**
     * Opens a file for the life of {@code arena} and reads which tensors it holds.
     *
     * @return the tensors by name, in the order of the dictionary
     * @throws icformer.error.ModelFileException FORMAT if it is damaged, UNSUPPORTED if it holds anything but tensors of float32,
     *     float16 and bfloat16, or is in PyTorch's format of before 1.6
     */
    static Map<String, StoredTensor> read(Path file, Arena arena) throws IOException {
        SourceFile source = SourceFile.open(file, arena);
        if (!isZip(source)) {
            throw Failures.unsupported(
                    file, "not a zip archive; a file of PyTorch before 1.6 has to be saved again by a newer one");
        }
        Map<String, ZipIndex.Span> entries = ZipIndex.read(source);
        String folder = folder(entries.keySet(), file);
        checkByteOrder(source, entries.get(folder + "/byteorder"));

        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        MemorySegment pickle = readPickle(source, entry(entries, folder + PICKLE, file));
        for (Map.Entry<String, TensorUnpickler.Tensor> view :
                TensorUnpickler.read(pickle, file).entrySet()) {
            TensorUnpickler.Storage storage = view.getValue().storage();
            String name = folder + "/data/" + storage.key();
            ZipIndex.Span data = entry(entries, name, file);
            checkSize(storage, name, data.size(), file);
            tensors.put(view.getKey(), tensor(view.getKey(), view.getValue(), source, data));
        }
        return Collections.unmodifiableMap(tensors);
    }

    private static StoredTensor tensor(
            String name, TensorUnpickler.Tensor view, SourceFile source, ZipIndex.Span storage) {
        ElementType type = view.storage().type();
        return new StoredTensor(
                name, type, view.shape(), view.strides(), source, storage.offset() + view.offset() * type.bytes());
    }

    private static boolean isZip(SourceFile source) throws IOException {
        if (source.size() < 4) {
            return false;
        }
        MemorySegment magic = source.read(0, 2);
        return magic.get(ValueLayout.JAVA_BYTE, 0) == 'P' && magic.get(ValueLayout.JAVA_BYTE, 1) == 'K';
    }

    private static MemorySegment readPickle(SourceFile source, ZipIndex.Span entry) throws IOException {
        if (entry.size() > TensorUnpickler.MAX_BYTES) {
            throw Failures.unsupported(
                    source.path(), "a pickle of %d bytes is too large to name tensors only", entry.size());
        }
        return source.read(entry.offset(), entry.size());
    }

    private static ZipIndex.Span entry(Map<String, ZipIndex.Span> entries, String name, Path file) throws IOException {
        ZipIndex.Span entry = entries.get(name);
        if (entry == null) {
            throw Failures.format(file, "the zip archive has no entry %s", name);
        }
        return entry;
    }

    /** All entries lie in one folder, whatever its name. */
    private static String folder(Collection<String> names, Path file) throws IOException {
        List<String> pickles = names.stream()
                .filter(name -> name.endsWith(PICKLE) && name.indexOf('/') == name.length() - PICKLE.length())
                .toList();
        if (pickles.size() != 1) {
            throw Failures.format(file, "not a file of torch.save: %d entries named data.pkl", pickles.size());
        }
        return pickles.getFirst().substring(0, pickles.getFirst().length() - PICKLE.length());
    }

    private static void checkByteOrder(SourceFile source, ZipIndex.@Nullable Span entry) throws IOException {
        if (entry != null) {
            byte[] order = source.read(entry.offset(), Math.min(entry.size(), MAX_BYTE_ORDER))
                    .toArray(ValueLayout.JAVA_BYTE);
            if (!new String(order, StandardCharsets.US_ASCII).strip().equals("little")) {
                throw Failures.unsupported(source.path(), "its byte order is not little-endian");
            }
        }
    }

    private static void checkSize(TensorUnpickler.Storage storage, String entry, long size, Path file)
            throws IOException {
        if (size % storage.type().bytes() != 0 || size / storage.type().bytes() != storage.elements()) {
            throw Failures.format(
                    file,
                    "zip entry %s: %d bytes are not the %d elements of %s that the pickle announces",
                    entry,
                    size,
                    storage.elements(),
                    storage.type());
        }
    }
}
