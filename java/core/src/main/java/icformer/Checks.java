package icformer;

/** Checks of arguments that end in an exception of status ARGUMENT. */
final class Checks {
    private Checks() {}

    static void argument(boolean valid, String message, Object... values) {
        if (!valid) {
            throw new IcfException(Status.ARGUMENT, message.formatted(values));
        }
    }
}
