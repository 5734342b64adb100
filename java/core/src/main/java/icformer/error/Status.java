package icformer.error;

/** What became of a failed call: the statuses of the native interface, of which there will never be fewer. */
public enum Status {
    /** An argument is out of its range. */
    ARGUMENT(10),
    /** Not possible now: the object is closed or busy, or what was asked for has not been computed. */
    STATE(20),
    /** A buffer or the session's context is too small. */
    CAPACITY(30),
    /** A file cannot be opened or read. */
    IO(40),
    /** A file is not what it claims to be. */
    FORMAT(50),
    /** A valid file or request that this library does not implement. */
    UNSUPPORTED(60),
    /** Two parts do not belong together: a former and another LLM, a digest and another model. */
    MISMATCH(70),
    /** Out of memory. */
    MEMORY(80),
    /** A device is missing or failed. */
    DEVICE(90),
    /** A defect of this library. */
    INTERNAL(100);

    private final int code;

    Status(int code) {
        this.code = code;
    }

    /** The status of that number in {@code icf_status}; {@link #INTERNAL} for one that this version does not know. */
    public static Status of(int code) {
        for (Status status : values()) {
            if (status.code == code) {
                return status;
            }
        }
        return INTERNAL;
    }
}
