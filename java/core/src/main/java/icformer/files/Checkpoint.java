package icformer.files;

import icformer.internal.base.Failures;
import icformer.internal.json.Json;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The weights in a checkpoint folder, in the first of these forms that is there: {@code model.safetensors},
 * {@code model.safetensors.index.json} with its shards, {@code pytorch_model.bin}, {@code pytorch_model.bin.index.json}
 * with its shards.
 */
public final class Checkpoint {
    private static final String[] FILES = {"model.safetensors", "pytorch_model.bin"};
    private static final String INDEX = ".index.json";
    private static final long MAX_INDEX_BYTES = 16 << 20;

    private Checkpoint() {}

    /**
     * Opens the weights of a folder for the life of {@code arena}.
     *
     * @return the tensors by name
     * @throws icformer.error.ModelFileException if a file is damaged, or the shards are not what their index says
     * @throws NoSuchFileException if the folder has none of the files
     * @throws IOException if a file cannot be read
     */
    public static Map<String, StoredTensor> readWeights(Path folder, Arena arena) throws IOException {
        for (String name : FILES) {
            Path single = folder.resolve(name);
            if (Files.exists(single)) {
                return readFile(single, arena);
            }
            Path index = folder.resolve(name + INDEX);
            if (Files.exists(index)) {
                return readShards(index, arena);
            }
        }
        throw new NoSuchFileException(
                folder.toString(),
                null,
                "holds neither model.safetensors nor pytorch_model.bin, in one piece or in shards");
    }

    /**
     * Opens one file of tensors for the life of {@code arena}: safetensors by its ending, else PyTorch.
     *
     * @return the tensors by name
     * @throws icformer.error.ModelFileException if the file is damaged or holds anything but tensors
     * @throws IOException if it cannot be read
     */
    public static Map<String, StoredTensor> readFile(Path file, Arena arena) throws IOException {
        return file.toString().endsWith(".safetensors")
                ? Safetensors.open(file, arena).tensors()
                : TorchFile.read(file, arena);
    }

    private static Map<String, StoredTensor> readShards(Path index, Arena arena) throws IOException {
        Map<String, @Nullable Object> json = Json.parseObject(SourceFile.readAll(index, MAX_INDEX_BYTES), index);
        if (!(json.get("weight_map") instanceof Map<?, ?> map)) {
            throw Failures.format(index, "has no weight_map");
        }
        Map<String, Map<String, StoredTensor>> shards = new HashMap<>();
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            String name = (String) entry.getKey();
            if (!(entry.getValue() instanceof String shardName)) {
                throw Failures.format(index, "tensor %s: its file is no text", name);
            }
            Map<String, StoredTensor> shard = shards.get(shardName);
            if (shard == null) {
                shard = readFile(shardPath(index, shardName), arena);
                shards.put(shardName, shard);
            }
            StoredTensor tensor = shard.get(name);
            if (tensor == null) {
                throw Failures.format(index, "tensor %s is not in %s", name, shardName);
            }
            tensors.put(name, tensor);
        }
        for (Map.Entry<String, Map<String, StoredTensor>> shard : shards.entrySet()) {
            for (String name : shard.getValue().keySet()) {
                if (!shard.getKey().equals(map.get(name))) {
                    throw Failures.format(index, "tensor %s of %s is not listed there", name, shard.getKey());
                }
            }
        }
        return Collections.unmodifiableMap(tensors);
    }

    /** A shard lies beside its index: a name that leads elsewhere is refused. */
    private static Path shardPath(Path index, String name) throws IOException {
        if (name.isEmpty()
                || name.contains("/")
                || name.contains("\\")
                || name.startsWith(".")
                || name.indexOf(0) >= 0) {
            throw Failures.format(index, "%s is no file name", name);
        }
        return index.resolveSibling(name);
    }
}
