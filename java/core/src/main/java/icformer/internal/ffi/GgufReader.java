package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import icformer.bindings.icf_former_info;
import icformer.bindings.icf_gguf_info;
import icformer.bindings.icf_key_info;
import icformer.bindings.icf_tensor_info;
import icformer.internal.base.ByteStrings;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads the keys and the list of tensors of an open GGUF file. Any number of threads may read at once, until the handle
 * that the file belongs to is closed.
 */
public final class GgufReader {

    /** An {@code icf_gguf_info}. */
    public record Header(int version, long keys, long tensors, long fileBytes, long dataOffset) {}

    /** An {@code icf_key_info}; {@code kind} is an {@code icf_value_kind}, {@code fileType} a type of the format. */
    public record Key(String name, int kind, boolean isArray, long count, int fileType, long bytes) {}

    /** An {@code icf_former_info}. */
    public record Former(
            String name,
            String type,
            int width,
            int digestRows,
            int chunkLength,
            boolean hasReader,
            long fingerprint,
            long targetVocabularyHash) {}

    /** An {@code icf_tensor_info}; {@code shape} has four dimensions. */
    public record Tensor(String name, int type, long[] shape, long offset, long bytes) {}

    private final NativeHandle owner;
    private final MemorySegment file;

    /**
     * @param owner closes the file
     * @param file the {@code icf_gguf}, in the owner's arena
     */
    GgufReader(NativeHandle owner, MemorySegment file) {
        this.owner = owner;
        this.file = file;
    }

    /** Version and sizes of the file. */
    public Header header() {
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_gguf_info.allocate(scratch);
            icf_gguf_info.struct_size(info, (int) info.byteSize());
            error.check(IcfNative.icf_gguf_describe(file, info, error.segment()));
            return new Header(
                    icf_gguf_info.version(info),
                    icf_gguf_info.n_keys(info),
                    icf_gguf_info.n_tensors(info),
                    icf_gguf_info.file_bytes(info),
                    icf_gguf_info.data_offset(info));
        } finally {
            owner.release();
        }
    }

    /** All keys; the index in the list is the index that the reading methods take. */
    public List<Key> keys() {
        long count = header().keys();
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_key_info.allocate(scratch);
            icf_key_info.struct_size(info, (int) info.byteSize());
            List<Key> keys = new ArrayList<>();
            for (long i = 0; i < count; i++) {
                error.check(IcfNative.icf_gguf_describe_key(file, i, info, error.segment()));
                keys.add(new Key(
                        icf_key_info.name(info).getString(0),
                        icf_key_info.kind(info),
                        icf_key_info.is_array(info) != 0,
                        icf_key_info.count(info),
                        icf_key_info.file_type(info),
                        icf_key_info.bytes(info)));
            }
            return keys;
        } finally {
            owner.release();
        }
    }

    /** All tensors. */
    public List<Tensor> tensors() {
        long count = header().tensors();
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_tensor_info.allocate(scratch);
            icf_tensor_info.struct_size(info, (int) info.byteSize());
            List<Tensor> tensors = new ArrayList<>();
            for (long i = 0; i < count; i++) {
                error.check(IcfNative.icf_gguf_describe_tensor(file, i, info, error.segment()));
                tensors.add(new Tensor(
                        icf_tensor_info.name(info).getString(0),
                        icf_tensor_info.type(info),
                        icf_tensor_info.shape(info).toArray(IcfNative.C_LONG_LONG),
                        icf_tensor_info.offset(info),
                        icf_tensor_info.bytes(info)));
            }
            return tensors;
        } finally {
            owner.release();
        }
    }

    /** The elements of a key of integers or truth values. */
    public long[] readIntegers(long index, long count) {
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment values = scratch.allocate(IcfNative.C_LONG_LONG, count);
            error.check(IcfNative.icf_gguf_read_integers(file, index, 0, count, values, error.segment()));
            return values.toArray(IcfNative.C_LONG_LONG);
        } finally {
            owner.release();
        }
    }

    /** The elements of a key of numbers or integers. */
    public double[] readNumbers(long index, long count) {
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment values = scratch.allocate(IcfNative.C_DOUBLE, count);
            error.check(IcfNative.icf_gguf_read_floats(file, index, 0, count, values, error.segment()));
            return values.toArray(IcfNative.C_DOUBLE);
        } finally {
            owner.release();
        }
    }

    /** The elements of a key of texts. */
    public List<String> readTexts(long index, long count) {
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment ends = scratch.allocate(IcfNative.C_LONG_LONG, count);
            error.check(
                    IcfNative.icf_gguf_read_texts(file, index, 0, count, MemorySegment.NULL, 0, ends, error.segment()));
            long length = count == 0 ? 0 : ends.getAtIndex(IcfNative.C_LONG_LONG, count - 1);
            MemorySegment bytes = scratch.allocate(Math.max(length, 1));
            error.check(IcfNative.icf_gguf_read_texts(file, index, 0, count, bytes, length, ends, error.segment()));
            return divide(bytes.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE), ends);
        } finally {
            owner.release();
        }
    }

    /** The value of a key as it lies in the file: {@link Key#bytes} of it. */
    public void readKey(long index, MemorySegment target) {
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            error.check(IcfNative.icf_gguf_read_key_bytes(file, index, 0, target.byteSize(), target, error.segment()));
        } finally {
            owner.release();
        }
    }

    /** As many bytes of a tensor's data as fill the target, from {@code first} on, by the descriptor of the open file. */
    public void readTensor(long index, long first, MemorySegment target) {
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            error.check(IcfNative.icf_gguf_read_tensor(file, index, first, target.byteSize(), target, error.segment()));
        } finally {
            owner.release();
        }
    }

    /** Hash of the vocabulary; 0 where the file has none. */
    public long vocabularyHash() {
        owner.hold();
        try {
            return IcfNative.icf_gguf_vocab_hash(file);
        } finally {
            owner.release();
        }
    }

    /** The former that the file holds; a MISMATCH if it was made for another LLM than {@code model}, where one is given. */
    public Former former(@Nullable NativeModel model) {
        owner.hold();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_former_info.allocate(scratch);
            icf_former_info.struct_size(info, (int) info.byteSize());
            error.check(IcfNative.icf_gguf_describe_former(
                    file, model == null ? MemorySegment.NULL : model.pointer(), info, error.segment()));
            return new Former(
                    icf_former_info.name(info).getString(0),
                    icf_former_info.type(info).getString(0),
                    icf_former_info.n_embd(info),
                    icf_former_info.n_digest(info),
                    icf_former_info.chunk_length(info),
                    icf_former_info.has_reader(info) != 0,
                    icf_former_info.fingerprint(info),
                    icf_former_info.target_vocab_hash(info));
        } finally {
            owner.release();
        }
    }

    private static List<String> divide(byte[] bytes, MemorySegment ends) {
        int[] places = LongStream.of(ends.toArray(IcfNative.C_LONG_LONG))
                .mapToInt(Math::toIntExact)
                .toArray();
        return ByteStrings.of(bytes, places);
    }
}
