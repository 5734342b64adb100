package icformer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class StoredTensorTest {
    private static final Path FILE = Path.of("some.bin");

    @Test
    void widensHalvesAndBrainFloats() throws IOException {
        // 1, -2, the largest, the smallest subnormal, infinity
        short[] halves = {0x3C00, (short) 0xC000, 0x7BFF, 0x0001, 0x7C00};
        StoredTensor f16 =
                StoredTensor.contiguous("h", ElementType.F16, List.of(5L), file(MemorySegment.ofArray(halves)), 0);
        assertThat(floats(f16)).containsExactly(1f, -2f, 65504f, 0x1p-24f, Float.POSITIVE_INFINITY);

        short[] brains = {0x3F80, (short) 0xC000, 0x7F7F, 0x0001, (short) 0xFF80};
        StoredTensor bf16 =
                StoredTensor.contiguous("b", ElementType.BF16, List.of(5L), file(MemorySegment.ofArray(brains)), 0);
        assertThat(floats(bf16)).containsExactly(1f, -2f, 0x1.FEp127f, 0x1p-133f, Float.NEGATIVE_INFINITY);
    }

    @Test
    void gathersATransposedTensor() throws IOException {
        // [[0, 1, 2], [3, 4, 5]] transposed: shape [3, 2], strides [1, 3]
        MemorySegment data = MemorySegment.ofArray(new float[] {0, 1, 2, 3, 4, 5});
        StoredTensor transposed =
                new StoredTensor("t", ElementType.F32, List.of(3L, 2L), List.of(1L, 3L), file(data), 0);
        assertThat(transposed.isContiguous()).isFalse();
        assertThat(floats(transposed)).containsExactly(0f, 3f, 1f, 4f, 2f, 5f);

        MemorySegment middle = MemorySegment.ofArray(new float[2]);
        transposed.readRows(1, 1, middle);
        assertThat(middle.toArray(ValueLayout.JAVA_FLOAT)).containsExactly(1f, 4f);
        assertThatIllegalStateException()
                .isThrownBy(() -> transposed.read(Arena.ofAuto()))
                .withMessage("t is not contiguous");
    }

    @Test
    void gathersAnExpandedTensorOfThreeDimensions() throws IOException {
        // one row of [2, 3] seen twice along a first dimension of stride 0
        MemorySegment data = MemorySegment.ofArray(new float[] {0, 1, 2, 3, 4, 5});
        StoredTensor expanded =
                new StoredTensor("e", ElementType.F32, List.of(2L, 2L, 3L), List.of(0L, 3L, 1L), file(data), 0);
        assertThat(expanded.rows()).isEqualTo(4);
        assertThat(floats(expanded)).containsExactly(0f, 1f, 2f, 3f, 4f, 5f, 0f, 1f, 2f, 3f, 4f, 5f);
    }

    @Test
    void readsOnlyTheRowsAskedFor() throws IOException {
        MemorySegment data = MemorySegment.ofArray(new float[] {0, 1, 2, 3, 4, 5});
        StoredTensor tensor = StoredTensor.contiguous("c", ElementType.F32, List.of(3L, 2L), file(data), 0);
        float[] rows = new float[4];
        tensor.readFloats(1, 2, rows);
        assertThat(rows).containsExactly(2f, 3f, 4f, 5f);
    }

    @Test
    void countsTensorsWithDimensionsOfOneAsContiguousWhateverTheirStride() throws IOException {
        MemorySegment data = MemorySegment.ofArray(new float[8]);
        assertThat(new StoredTensor("d", ElementType.F32, List.of(1L, 2L, 4L), List.of(99L, 4L, 1L), file(data), 0)
                        .isContiguous())
                .isTrue();
        assertThat(new StoredTensor("n", ElementType.F32, List.of(0L, 4L), List.of(7L, 3L), file(data), 0)
                        .isContiguous())
                .isTrue();
    }

    private static float[] floats(StoredTensor tensor) throws IOException {
        float[] values = new float[(int) tensor.elements()];
        tensor.readFloats(0, tensor.rows(), values);
        return values;
    }

    private static SourceFile file(MemorySegment bytes) {
        return SourceFile.of(bytes, FILE);
    }
}
