package icformer;

import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.Safetensors;
import icformer.files.StoredTensor;
import icformer.internal.base.Hashes;
import icformer.internal.json.Json;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Digest files: one tensor and the strings that say what it was made with. */
final class DigestFiles {
    static final String TENSOR = "digest";

    private static final String FORMAT = "icformer-digest";
    private static final String VERSION = "1";
    private static final long MAX_WIDTH = 1 << 20;
    /** Bytes that are hashed at once. */
    private static final int PART = 1 << 20;

    private DigestFiles() {}

    /** The strings of a digest whose rows are written as {@code data}. */
    static Map<String, String> metadata(Digest digest, MemorySegment data) {
        Digest.Origin origin = digest.origin();
        Map<String, String> strings = new LinkedHashMap<>();
        strings.put("format", FORMAT);
        strings.put("format_version", VERSION);
        strings.put("model_name", origin.modelName());
        strings.put("model_fingerprint", fingerprint(origin.modelFingerprint()));
        strings.put("former_name", origin.formerName());
        strings.put("former_fingerprint", fingerprint(origin.formerFingerprint()));
        strings.put("chunks", chunks(digest.chunks()));
        strings.put("context_sha256", origin.contextSha256());
        strings.put("rows_sha256", Hashes.sha256(data));
        return strings;
    }

    /** Reads a digest file and checks all it says. */
    static Digest load(Path path, Arena arena) throws IOException {
        Safetensors file = Safetensors.open(path, arena);
        Map<String, String> strings = file.metadata();
        if (!FORMAT.equals(strings.get("format"))) {
            throw damaged(path, "is no digest file");
        }
        if (!VERSION.equals(strings.get("format_version"))) {
            throw new ModelFileException(
                    Status.UNSUPPORTED,
                    path,
                    path + ": version " + strings.get("format_version") + " of the digest format is not known here");
        }
        StoredTensor tensor = file.onlyTensor();
        RowType type = rowType(path, tensor);
        if (!tensor.name().equals(TENSOR)
                || tensor.shape().size() != 2
                || tensor.elements() == 0
                || tensor.rowLength() > MAX_WIDTH) {
            throw damaged(path, "must hold rows [rows, width] named digest");
        }
        int width = (int) tensor.rowLength();
        List<Digest.Chunk> chunks = chunks(path, string(path, strings, "chunks"));
        if (chunks.isEmpty() || tensor.rows() % chunks.size() != 0) {
            throw damaged(path, "has %d rows for %d chunks".formatted(tensor.rows(), chunks.size()));
        }
        if (!sha256(tensor).equals(string(path, strings, "rows_sha256"))) {
            throw damaged(path, "is damaged: its rows are not those it was saved with");
        }
        Digest.Origin origin = new Digest.Origin(
                string(path, strings, "model_name"),
                fingerprint(path, string(path, strings, "model_fingerprint")),
                string(path, strings, "former_name"),
                fingerprint(path, string(path, strings, "former_fingerprint")),
                string(path, strings, "context_sha256"));
        return new Digest(tensor.read(arena), type, width, chunks, origin);
    }

    /** Of the rows as they lie in the file: memory is taken for those alone that are what the file says. */
    private static String sha256(StoredTensor rows) throws IOException {
        MessageDigest hash = Hashes.sha256();
        byte[] part = new byte[PART];
        for (long first = 0; first < rows.byteSize(); first += PART) {
            int count = (int) Math.min(PART, rows.byteSize() - first);
            rows.read(first, MemorySegment.ofArray(part).asSlice(0, count));
            hash.update(part, 0, count);
        }
        return HexFormat.of().formatHex(hash.digest());
    }

    private static RowType rowType(Path path, StoredTensor tensor) throws IOException {
        return switch (tensor.type()) {
            case F32 -> RowType.F32;
            case F16 -> RowType.F16;
            default -> throw damaged(path, "has rows of " + tensor.type() + ", but they must be F32 or F16");
        };
    }

    private static String string(Path path, Map<String, String> strings, String key) throws IOException {
        String string = strings.get(key);
        if (string == null) {
            throw damaged(path, "does not say its " + key);
        }
        return string;
    }

    /** 16 hexadecimal digits. */
    static String fingerprint(long fingerprint) {
        return "%016x".formatted(fingerprint);
    }

    private static long fingerprint(Path path, String digits) throws IOException {
        if (!digits.matches("[0-9a-f]{16}")) {
            throw damaged(path, "has a fingerprint that is none: " + digits);
        }
        return Long.parseUnsignedLong(digits, 16);
    }

    /** {@code [[0,42],[42,84]]} */
    private static String chunks(List<Digest.Chunk> chunks) {
        return chunks.stream()
                .map(chunk -> "[" + chunk.first() + "," + chunk.end() + "]")
                .collect(Collectors.joining(",", "[", "]"));
    }

    private static List<Digest.Chunk> chunks(Path path, String json) throws IOException {
        List<Digest.Chunk> chunks = new ArrayList<>();
        long end = 0;
        if (Json.parse(json, path) instanceof List<?> pairs) {
            for (Object pair : pairs) {
                if (!(pair instanceof List<?> bounds)
                        || bounds.size() != 2
                        || !(bounds.get(0) instanceof Long first)
                        || !(bounds.get(1) instanceof Long next)
                        || first != end
                        || next < first) {
                    throw damaged(path, "has a chunk table that is none: " + json);
                }
                chunks.add(new Digest.Chunk(first, next));
                end = next;
            }
        }
        return chunks;
    }

    private static ModelFileException damaged(Path path, String what) {
        return new ModelFileException(Status.FORMAT, path, path + " " + what);
    }
}
