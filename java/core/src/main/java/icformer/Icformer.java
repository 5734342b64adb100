package icformer;

import icformer.internal.ffi.NativeLibrary;

/** The library as a whole. */
public final class Icformer {
    private Icformer() {}

    /** Version of the native library, such as {@code 0.1.0}. */
    public static String version() {
        return NativeLibrary.version();
    }

    /** Version of the ggml library that computes, such as {@code 0.27.0}. */
    public static String ggmlVersion() {
        return NativeLibrary.ggmlVersion();
    }

    /** Lets messages of the native library up to this level through to standard error. */
    public static void setLogLevel(LogLevel level) {
        NativeLibrary.setLogLevel(
                switch (level) {
                    case NONE -> NativeLibrary.LogLevels.NONE;
                    case ERROR -> NativeLibrary.LogLevels.ERROR;
                    case WARN -> NativeLibrary.LogLevels.WARN;
                    case INFO -> NativeLibrary.LogLevels.INFO;
                    case DEBUG -> NativeLibrary.LogLevels.DEBUG;
                });
    }
}
