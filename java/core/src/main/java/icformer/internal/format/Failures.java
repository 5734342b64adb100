package icformer.internal.format;

import icformer.ModelFileException;
import icformer.Status;
import java.nio.file.Path;

/** The exceptions of this package: one sentence that begins with the file. */
final class Failures {
    private Failures() {}

    /** The file is not what it claims to be. */
    static ModelFileException format(Path file, String reason, Object... values) {
        return new ModelFileException(Status.FORMAT, file, file + ": " + reason.formatted(values));
    }

    /** The file is valid but holds something that is not implemented, or is refused on purpose. */
    static ModelFileException unsupported(Path file, String reason, Object... values) {
        return new ModelFileException(Status.UNSUPPORTED, file, file + ": " + reason.formatted(values));
    }
}
