package icformer.convert;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.TensorType;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Converts matrices to another type, block of rows by block, on all cores; the blocks are written in their order. Memory
 * is that of a few blocks, whatever the size of the matrix.
 */
final class RowConverter implements AutoCloseable {
    /** 1 MiB of floats: enough work to outweigh handing it over, and little memory even on many cores. */
    private static final long BLOCK_FLOATS = 1 << 18;

    /** Where rows come from. */
    interface Source {
        /** Fills {@code floats} with rows {@code first … first + count - 1}; called from several threads at once. */
        void read(long first, long count, MemorySegment floats);
    }

    /** Where converted rows go to. */
    interface Sink {
        void write(MemorySegment bytes, long elements) throws IOException;
    }

    private final int threads;
    private final ExecutorService workers;

    RowConverter() {
        threads = Runtime.getRuntime().availableProcessors();
        workers = Executors.newFixedThreadPool(
                threads,
                Thread.ofPlatform().daemon().name("icformer-convert-", 0).factory());
    }

    /**
     * Converts a matrix.
     *
     * @param rows number of rows
     * @param rowLength elements of a row, a multiple of the block length of {@code type}
     * @return relative L2 error of the values; not finite if the type cannot hold them, and then the rest is not written
     */
    double convert(Source source, long rows, long rowLength, TensorType type, Sink sink) throws IOException {
        long blockRows = Math.clamp(BLOCK_FLOATS / Math.max(rowLength, 1), 1, Math.max(rows, 1));
        int slots = (int) Math.min(2L * threads, Math.ceilDiv(rows, blockRows));
        Errors errors = new Errors();
        try (Arena arena = Arena.ofShared()) {
            Deque<Block> free = new ArrayDeque<>();
            for (int i = 0; i < slots; i++) {
                free.add(new Block(arena, blockRows, rowLength, type));
            }
            Deque<Future<Block>> running = new ArrayDeque<>();
            try {
                for (long first = 0; first < rows && errors.isFinite(); first += blockRows) {
                    if (free.isEmpty()) {
                        free.add(finish(running.remove(), errors, sink));
                    }
                    Block block = free.remove();
                    block.set(first, Math.min(blockRows, rows - first));
                    running.add(workers.submit(() -> block.convert(source)));
                }
                while (!running.isEmpty() && errors.isFinite()) {
                    finish(running.remove(), errors, sink);
                }
            } finally {
                // the workers use memory of the arena: none may run on when it closes
                await(running);
            }
        }
        return errors.relative();
    }

    @Override
    public void close() {
        workers.shutdownNow();
    }

    private static Block finish(Future<Block> future, Errors errors, Sink sink) throws IOException {
        try {
            Block block = future.get();
            sink.write(block.target(), block.elements());
            errors.add(block);
            return block;
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case UncheckedIOException io -> throw io.getCause();
                case RuntimeException runtime -> throw runtime;
                case Error error -> throw error;
                case null, default -> throw new IllegalStateException(e);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("the conversion was interrupted");
        }
    }

    private static void await(Iterable<Future<Block>> running) {
        List<Future<Block>> left = new ArrayList<>();
        running.forEach(left::add);
        boolean interrupted = false;
        for (Future<Block> future : left) {
            while (!future.isDone()) {
                try {
                    future.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    break;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Sums of squares over all blocks. */
    private static final class Errors {
        private double difference;
        private double norm;

        void add(Block block) {
            difference += block.difference;
            norm += block.norm;
        }

        boolean isFinite() {
            return Double.isFinite(difference);
        }

        double relative() {
            return difference == 0 ? 0 : Math.sqrt(difference / norm);
        }
    }

    /** Memory for a block of rows, used again for many. */
    private static final class Block {
        private final long rowLength;
        private final TensorType type;
        private final MemorySegment floats;
        private final MemorySegment target;
        private final MemorySegment restored;
        private long first;
        private long count;
        private double difference;
        private double norm;

        Block(Arena arena, long rows, long rowLength, TensorType type) {
            this.rowLength = rowLength;
            this.type = type;
            this.floats = arena.allocate(rows * rowLength * Float.BYTES, 64);
            this.target = arena.allocate(rows * type.bytes(rowLength), 64);
            this.restored = arena.allocate(rows * rowLength * Float.BYTES, 64);
        }

        void set(long first, long count) {
            this.first = first;
            this.count = count;
        }

        long elements() {
            return count * rowLength;
        }

        MemorySegment target() {
            return target.asSlice(0, count * type.bytes(rowLength));
        }

        Block convert(Source source) {
            source.read(first, count, floats);
            try {
                type.quantize(floats, count, rowLength, target);
            } catch (IcfException e) {
                if (e.status() != Status.ARGUMENT) {
                    throw e;
                }
                // values that are not finite, or beyond the range of the blocks' scales
                difference = Double.NaN;
                return this;
            }
            type.dequantize(target, count, rowLength, restored);
            measure();
            return this;
        }

        private void measure() {
            double sumOfSquares = 0;
            double sumOfSquaredErrors = 0;
            for (long i = 0; i < elements(); i++) {
                double value = floats.getAtIndex(ValueLayout.JAVA_FLOAT, i);
                double error = restored.getAtIndex(ValueLayout.JAVA_FLOAT, i) - value;
                sumOfSquares += value * value;
                sumOfSquaredErrors += error * error;
            }
            norm = sumOfSquares;
            difference = sumOfSquaredErrors;
        }
    }
}
