package icformer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.TestData;
import icformer.error.IcfException;
import icformer.error.Status;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorTypeTest {

    @Test
    void typesAreFoundByNameInAnyCase() {
        TensorType type = TensorType.of("Q8_0");

        assertThat(type)
                .isSameAs(TensorType.of("q8_0"))
                .isSameAs(TensorType.of(8))
                .hasToString("q8_0");
        assertThat(type.number()).isEqualTo(8);
        assertThat(type.blockLength()).isEqualTo(32);
        assertThat(type.blockBytes()).isEqualTo(34);
        assertThat(type.isQuantizable()).isTrue();
        assertThat(TensorType.find("q8_9")).isEmpty();
        assertThat(TensorType.all()).contains(type, TensorType.of("f16"), TensorType.of("q4_K"));
    }

    @Test
    void unknownTypesAreRefused() {
        assertThatThrownBy(() -> TensorType.of("q8_9"))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                .hasMessage("there is no tensor type 'q8_9'");
        assertThatThrownBy(() -> TensorType.of(-1))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
    }

    @Test
    void bytesCountWholeBlocks() {
        TensorType type = TensorType.of("q4_0");

        assertThat(type.bytes(64)).isEqualTo(36);
        assertThatThrownBy(() -> type.bytes(33))
                .isInstanceOf(IcfException.class)
                .hasMessageContaining("blocks of q4_0");
    }

    /** The largest step of a block of 32 normally distributed values, relative to their norm. */
    @ParameterizedTest
    @CsvSource({"f32, 0", "f16, 0.0005", "bf16, 0.004", "q8_0, 0.01", "q4_0, 0.12", "q6_K, 0.03"})
    void valuesComeBack(String name, double tolerance) {
        TensorType type = TensorType.of(name);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = randomRows(arena, 3 * 256);
            MemorySegment stored = arena.allocate(3 * type.bytes(256));
            MemorySegment restored = arena.allocate(rows.byteSize(), Float.BYTES);

            type.quantize(rows, 3, 256, stored);
            type.dequantize(stored, 3, 256, restored);

            assertThat(TestData.relativeL2(restored, rows)).isLessThanOrEqualTo(tolerance);
        }
    }

    @Test
    void f16IsThatOfJava() {
        TensorType type = TensorType.of("f16");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = randomRows(arena, 64);
            MemorySegment stored = arena.allocate(type.bytes(64), Short.BYTES);

            type.quantize(rows, 1, 64, stored);

            for (int i = 0; i < 64; i++) {
                assertThat(stored.getAtIndex(ValueLayout.JAVA_SHORT, i))
                        .isEqualTo(Float.floatToFloat16(rows.getAtIndex(ValueLayout.JAVA_FLOAT, i)));
            }
        }
    }

    @Test
    void memoryIsChecked() {
        TensorType type = TensorType.of("f16");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = randomRows(arena, 64);
            MemorySegment small = arena.allocate(type.bytes(64) - 1);

            assertThatThrownBy(() -> type.quantize(rows, 1, 64, small))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.CAPACITY));
            assertThatThrownBy(() -> type.quantize(rows, 2, 64, arena.allocate(1 << 10)))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
            assertThatThrownBy(() -> type.quantize(rows, 1, 64, MemorySegment.ofArray(new byte[128])))
                    .hasMessageContaining("Java heap");
        }
    }

    private static MemorySegment randomRows(Arena arena, int count) {
        Random random = new Random(1);
        MemorySegment rows = arena.allocate(ValueLayout.JAVA_FLOAT, count);
        for (int i = 0; i < count; i++) {
            rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        return rows;
    }
}
