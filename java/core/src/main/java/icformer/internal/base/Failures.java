package icformer.internal.base;

import icformer.error.ModelFileException;
import icformer.error.Status;
import java.nio.file.Path;

/** The exceptions of this package: one sentence that begins with the file. */
public final class Failures {
    private Failures() {}

    /** The file is not what it claims to be. */
    public static ModelFileException format(Path file, String reason, Object... values) {
        return new ModelFileException(Status.FORMAT, file, file + ": " + reason.formatted(values));
    }

    /** The file is valid but holds something that is not implemented, or is refused on purpose. */
    public static ModelFileException unsupported(Path file, String reason, Object... values) {
        return new ModelFileException(Status.UNSUPPORTED, file, file + ": " + reason.formatted(values));
    }
}
