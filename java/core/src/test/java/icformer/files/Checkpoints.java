package icformer.files;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;

/** Checkpoints that the reference implementation wrote. */
public final class Checkpoints {
    /** 3 layers of width 64 with 16 digest tokens, float32. */
    public static final Path TINY = folder("tiny-mha");

    /** The same sizes in bfloat16, with tensors that were on a GPU when they were saved. */
    public static final Path TINY_BF16 = folder("tiny-mha-bf16");

    private Checkpoints() {}

    private static Path folder(String name) {
        try {
            return Path.of(Objects.requireNonNull(Checkpoints.class.getResource("/icformer/checkpoints/" + name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
