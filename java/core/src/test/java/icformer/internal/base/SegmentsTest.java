package icformer.internal.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class SegmentsTest {

    @Test
    void whatFitsIsAccepted() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(64, 4);

            assertThatCode(() -> Segments.checkInput(segment.asReadOnly(), 64, 4, "rows"))
                    .doesNotThrowAnyException();
            assertThatCode(() -> Segments.checkOutput(segment, 64, 4, "rows")).doesNotThrowAnyException();
            assertThatCode(() -> Segments.checkInput(segment.asSlice(2), 62, 2, "rows"))
                    .doesNotThrowAnyException();
        }
    }

    @Test
    void rowsThatNoMemoryHolds() {
        assertThat(Segments.bytes(3, 256)).isEqualTo(768);
        assertThat(Segments.bytes(0, 256)).isZero();
        assertRefused(() -> Segments.bytes(-1, 256), Status.ARGUMENT, "-1 rows");
        assertRefused(() -> Segments.bytes(Long.MAX_VALUE / 255, 256), Status.ARGUMENT, "are impossible");
        assertRefused(() -> Segments.bytes(Long.MAX_VALUE, 256), Status.ARGUMENT, "are impossible");
    }

    @Test
    void tooSmall() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(64, 4);

            assertRefused(() -> Segments.checkInput(segment, 65, 4, "rows"), Status.ARGUMENT, "65 are needed");
            assertRefused(() -> Segments.checkOutput(segment, 65, 4, "rows"), Status.CAPACITY, "65 are needed");
        }
    }

    @Test
    void notAligned() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(64, 4);

            assertRefused(
                    () -> Segments.checkInput(segment.asSlice(2), 4, 4, "rows"), Status.ARGUMENT, "multiple of 4");
            assertRefused(
                    () -> Segments.checkInput(segment.asSlice(1), 2, 2, "rows"), Status.ARGUMENT, "multiple of 2");
        }
    }

    @Test
    void ofTheHeap() {
        MemorySegment segment = MemorySegment.ofArray(new float[16]);

        assertRefused(
                () -> Segments.checkInput(segment, 64, 4, "rows"), Status.ARGUMENT, "rows: a segment of the Java heap");
    }

    @Test
    void readOnly() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(64, 4).asReadOnly();

            assertRefused(() -> Segments.checkOutput(segment, 64, 4, "rows"), Status.ARGUMENT, "read-only");
        }
    }

    @Test
    void ofAClosedArena() {
        MemorySegment segment;
        try (Arena arena = Arena.ofConfined()) {
            segment = arena.allocate(64, 4);
        }

        assertRefused(() -> Segments.checkInput(segment, 64, 4, "rows"), Status.STATE, "closed");
    }

    @Test
    void ofAnotherThread() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(64, 4);

            CompletableFuture.runAsync(() -> assertRefused(
                            () -> Segments.checkInput(segment, 64, 4, "rows"), Status.STATE, "another thread"))
                    .join();
        }
    }

    private static void assertRefused(ThrowingCallable call, Status status, String message) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(status))
                .hasMessageContaining(message);
    }
}
