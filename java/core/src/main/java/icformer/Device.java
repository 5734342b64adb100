package icformer;

/**
 * A device that computes.
 *
 * @param index its number, for options; device 0 is a CPU
 * @param kind what it is
 * @param name such as {@code CPU} or {@code CUDA0}
 * @param description as its vendor names it
 * @param backend the loaded variant of its backend and what that uses, such as {@code AVX512 AVX512_BF16}
 * @param memoryTotal in bytes; 0 where unknown
 * @param memoryFree in bytes, when it was asked for; 0 where unknown
 */
public record Device(
        int index, Kind kind, String name, String description, String backend, long memoryTotal, long memoryFree) {

    /** Kinds of devices. */
    public enum Kind {
        /** The processor of this machine. */
        CPU,
        /** A graphics processor. */
        GPU,
        /** Any other accelerator. */
        OTHER
    }
}
