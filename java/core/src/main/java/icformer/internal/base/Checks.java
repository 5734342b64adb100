package icformer.internal.base;

import icformer.error.IcfException;
import icformer.error.Status;

/** Checks of arguments that end in an exception of status ARGUMENT. */
public final class Checks {
    private Checks() {}

    public static void argument(boolean valid, String message, Object... values) {
        if (!valid) {
            throw new IcfException(Status.ARGUMENT, message.formatted(values));
        }
    }
}
