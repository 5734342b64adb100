package icformer.files;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A file of {@code torch.save} that holds a dictionary of tensors: a zip archive with a pickle and one entry per storage.
 *
 * <p>The tensors are slices of the mapped file, valid until the arena is closed. See {@link TensorUnpickler} for what the
 * pickle may say.
 */
final class TorchFile {
    private static final String PICKLE = "/data.pkl";

    private TorchFile() {}

    /**
     * Maps a file for the life of {@code arena} and reads which tensors it holds.
     *
     * @return the tensors by name, in the order of the dictionary
     * @throws icformer.error.ModelFileException FORMAT if it is damaged, UNSUPPORTED if it holds anything but tensors of float32,
     *     float16 and bfloat16, or is in PyTorch's format of before 1.6
     */
    static Map<String, StoredTensor> read(Path file, Arena arena) throws IOException {
        MemorySegment bytes = MappedFile.map(file, arena);
        if (!isZip(bytes)) {
            throw Failures.unsupported(
                    file, "not a zip archive; a file of PyTorch before 1.6 has to be saved again by a newer one");
        }
        ZipIndex zip = ZipIndex.read(bytes, file);
        Map<String, Long> sizes = zip.sizes();
        String folder = folder(sizes, file);
        checkByteOrder(zip, sizes, folder + "/byteorder", arena, file);

        Map<String, MemorySegment> storages = new LinkedHashMap<>();
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        Map<String, TensorUnpickler.Tensor> views = TensorUnpickler.read(zip.bytes(folder + PICKLE, arena), file);
        for (Map.Entry<String, TensorUnpickler.Tensor> view : views.entrySet()) {
            TensorUnpickler.Storage storage = view.getValue().storage();
            String entry = folder + "/data/" + storage.key();
            checkSize(storage, entry, sizes, file);
            MemorySegment data = storages.get(entry);
            if (data == null) {
                data = zip.bytes(entry, arena);
                storages.put(entry, data);
            }
            tensors.put(view.getKey(), tensor(view.getKey(), view.getValue(), data, bytes, file));
        }
        return Collections.unmodifiableMap(tensors);
    }

    private static StoredTensor tensor(
            String name, TensorUnpickler.Tensor view, MemorySegment storage, MemorySegment archive, Path file) {
        ElementType type = view.storage().type();
        MemorySegment data = storage.asSlice(view.offset() * type.bytes());
        boolean stored = archive.asOverlappingSlice(data).isPresent(); // else it was packed
        long offset = stored ? data.address() - archive.address() : StoredTensor.NOT_IN_FILE;
        return new StoredTensor(name, type, view.shape(), view.strides(), data, file, offset);
    }

    private static boolean isZip(MemorySegment bytes) {
        return bytes.byteSize() >= 4
                && bytes.get(ValueLayout.JAVA_BYTE, 0) == 'P'
                && bytes.get(ValueLayout.JAVA_BYTE, 1) == 'K';
    }

    /** All entries lie in one folder, whatever its name. */
    private static String folder(Map<String, Long> sizes, Path file) throws IOException {
        List<String> pickles = sizes.keySet().stream()
                .filter(name -> name.endsWith(PICKLE) && name.indexOf('/') == name.length() - PICKLE.length())
                .toList();
        if (pickles.size() != 1) {
            throw Failures.format(file, "not a file of torch.save: %d entries named data.pkl", pickles.size());
        }
        return pickles.getFirst().substring(0, pickles.getFirst().length() - PICKLE.length());
    }

    private static void checkByteOrder(ZipIndex zip, Map<String, Long> sizes, String entry, Arena arena, Path file)
            throws IOException {
        if (sizes.containsKey(entry)) {
            byte[] order = zip.bytes(entry, arena).toArray(ValueLayout.JAVA_BYTE);
            if (!new String(order, StandardCharsets.US_ASCII).strip().equals("little")) {
                throw Failures.unsupported(file, "its byte order is not little-endian");
            }
        }
    }

    private static void checkSize(TensorUnpickler.Storage storage, String entry, Map<String, Long> sizes, Path file)
            throws IOException {
        Long size = sizes.get(entry);
        if (size == null) {
            throw Failures.format(file, "the zip archive has no entry %s", entry);
        }
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
