package icformer.internal.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import icformer.bindings.IcfNative;
import icformer.bindings.icf_device_info;
import icformer.bindings.icf_type_info;
import icformer.error.IcfException;
import icformer.error.Status;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The native library as a whole: loading it, and the calls that belong to no handle. */
public final class NativeLibrary {
    /** System property: the folder of the native library. Without it, the library comes out of the class path. */
    public static final String PATH_PROPERTY = "icformer.library.path";

    private static volatile boolean loaded;

    private NativeLibrary() {}

    /** Levels of {@link #setLogLevel}. A class of their own, so that a platform without the bindings can be told of. */
    public static final class LogLevels {
        public static final int NONE = IcfNative.ICF_LOG_NONE();
        public static final int ERROR = IcfNative.ICF_LOG_ERROR();
        public static final int WARN = IcfNative.ICF_LOG_WARN();
        public static final int INFO = IcfNative.ICF_LOG_INFO();
        public static final int DEBUG = IcfNative.ICF_LOG_DEBUG();

        private LogLevels() {}
    }

    /** An {@code icf_type_info}. */
    public record TensorTypeInfo(String name, int blockLength, int blockBytes, boolean canQuantize) {}

    /** An {@code icf_device_info}; neither CPU nor GPU is any other accelerator. */
    public record DeviceInfo(
            boolean isCpu,
            boolean isGpu,
            String name,
            String description,
            String backend,
            long memoryTotal,
            long memoryFree) {}

    /** Loads the library, once. Whatever keeps it from loading is tried again by the next call. */
    public static void load() {
        if (!loaded) {
            loadOnce();
        }
    }

    private static synchronized void loadOnce() {
        if (loaded) {
            return;
        }
        Path file = locate();
        boundSpinning();
        loadFile(file);
        checkVersion(file, abiVersion(file));
        loaded = true;
    }

    /** Structs and functions are those of the header that the bindings were made from, or nothing is called. */
    static void checkVersion(Path file, int version) {
        if (version != IcfNative.ICF_ABI_VERSION()) {
            throw new IcfException(
                    Status.MISMATCH,
                    "%s has version %d of the native interface, but this icformer needs %d: take both from one release"
                            .formatted(file, version, IcfNative.ICF_ABI_VERSION()));
        }
    }

    /**
     * How long OpenMP's threads spin; why is told in icf.h, Threads. OpenMP may be loaded together with the library, and reads
     * this then, so that the library's own setting would come too late. A user's own setting is kept.
     */
    @SuppressWarnings("restricted") // a call of the C library
    private static void boundSpinning() {
        if (System.getenv("OMP_WAIT_POLICY") != null || System.getenv("GOMP_SPINCOUNT") != null) {
            return;
        }
        Linker linker = Linker.nativeLinker();
        Optional<MemorySegment> setenv = linker.defaultLookup().find("setenv");
        if (setenv.isEmpty()) {
            return;
        }
        try (Arena scratch = Arena.ofConfined()) {
            MethodHandle set =
                    linker.downcallHandle(setenv.get(), FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
            set.invoke(scratch.allocateFrom("GOMP_SPINCOUNT"), scratch.allocateFrom("10000"), 1);
        } catch (Throwable e) {
            throw new IllegalStateException("setenv", e); // it throws nothing
        }
    }

    private static Path locate() {
        String folder = System.getProperty(PATH_PROPERTY);
        if (folder == null) {
            return LibraryFiles.extract().resolve(LibraryFiles.libraryName());
        }
        Path file = Path.of(folder).toAbsolutePath().resolve(LibraryFiles.libraryName());
        if (!Files.exists(file)) {
            throw new IcfException(Status.IO, "there is no %s, but -D%s points there".formatted(file, PATH_PROPERTY));
        }
        return file;
    }

    /** The library has to belong to the class loader of the bindings: they look their symbols up there. */
    @SuppressWarnings("restricted") // the library this package wraps
    private static void loadFile(Path file) {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            throw new IcfException(
                    Status.UNSUPPORTED,
                    "%s cannot be loaded on %s: %s. Another build can be given with -D%s=FOLDER"
                            .formatted(file, LibraryFiles.platform(), e.getMessage(), PATH_PROPERTY),
                    e);
        }
    }

    private static int abiVersion(Path file) {
        try {
            return IcfNative.icf_abi_version();
        } catch (LinkageError e) {
            throw new IcfException(Status.MISMATCH, file + " is not the native library of icformer", e);
        }
    }

    /** Version of the native library. */
    public static String version() {
        load();
        return IcfNative.icf_version().getString(0);
    }

    /** Version of the ggml library below it. */
    public static String ggmlVersion() {
        load();
        return IcfNative.icf_ggml_version().getString(0);
    }

    /** Lets messages of ggml up to this {@code icf_log_level} through to standard error. */
    public static void setLogLevel(int level) {
        load();
        IcfNative.icf_set_log_level(level);
    }

    /** All devices, by index. */
    public static List<DeviceInfo> devices() {
        load();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_device_info.allocate(scratch);
            icf_device_info.struct_size(info, (int) info.byteSize());
            int count = IcfNative.icf_device_count();
            List<DeviceInfo> devices = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                error.check(IcfNative.icf_device_describe(i, info, error.segment()));
                int kind = icf_device_info.kind(info);
                devices.add(new DeviceInfo(
                        kind == IcfNative.ICF_DEVICE_CPU(),
                        kind == IcfNative.ICF_DEVICE_GPU(),
                        icf_device_info.name(info).getString(0),
                        icf_device_info.description(info).getString(0),
                        icf_device_info.backend(info).getString(0),
                        icf_device_info.memory_total(info),
                        icf_device_info.memory_free(info)));
            }
            return devices;
        }
    }

    /** Number of the tensor type of that name, in any case; -1 if there is none. */
    public static int findType(String name) {
        load();
        try (Arena scratch = Arena.ofConfined()) {
            return IcfNative.icf_type_find(scratch.allocateFrom(name));
        }
    }

    /** What a tensor type is. */
    public static TensorTypeInfo describeType(int type) {
        load();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_type_info.allocate(scratch);
            icf_type_info.struct_size(info, (int) info.byteSize());
            error.check(IcfNative.icf_type_describe(type, info, error.segment()));
            return new TensorTypeInfo(
                    icf_type_info.name(info).getString(0),
                    icf_type_info.block_length(info),
                    icf_type_info.block_bytes(info),
                    icf_type_info.can_quantize(info) != 0);
        }
    }

    /**
     * Converts floats to a tensor type.
     *
     * @param rows [count, rowLength] floats
     */
    public static void quantizeRows(int type, MemorySegment rows, long count, long rowLength, MemorySegment target) {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            error.check(IcfNative.icf_quantize_rows(
                    type, rows, count, rowLength, target, target.byteSize(), error.segment()));
        }
    }

    /**
     * Converts rows of a tensor type to floats.
     *
     * @param rows [count, rowLength] floats
     */
    public static void dequantizeRows(int type, MemorySegment source, long count, long rowLength, MemorySegment rows) {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            error.check(IcfNative.icf_dequantize_rows(
                    type, source, source.byteSize(), count, rowLength, rows, error.segment()));
        }
    }

    /** Length of the even chunks that a context is divided into. */
    public static long chunkLength(long length, long maxChunk) {
        load();
        return IcfNative.icf_chunk_length(length, maxChunk);
    }
}
