package icformer;

/** Which messages of the native library reach standard error. */
public enum LogLevel {
    /** None. */
    NONE,
    /** Failures: the default. */
    ERROR,
    /** Failures and doubts. */
    WARN,
    /** What it does. */
    INFO,
    /** Everything. */
    DEBUG
}
