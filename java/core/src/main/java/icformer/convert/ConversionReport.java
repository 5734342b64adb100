package icformer.convert;

import icformer.files.TensorType;
import java.nio.file.Path;
import java.util.List;

/**
 * What became of the weights of a file that was written anew.
 *
 * @param file the file that was written
 * @param bytes its size
 * @param tensors what became of each tensor, in the order of the file
 */
public record ConversionReport(Path file, long bytes, List<Tensor> tensors) {

    /** Is told of progress, on the converting thread. An exception it throws ends the conversion; no file is left then. */
    @FunctionalInterface
    public interface Progress {
        /**
         * Called after every block of rows.
         *
         * @param done elements that are written
         * @param total elements of all tensors
         */
        void onElements(long done, long total);
    }

    /**
     * What became of a tensor.
     *
     * @param name its name in the file
     * @param shape elements per dimension, the fastest first
     * @param from type it had
     * @param to type it has now
     * @param wanted type that was asked for; other than {@code to} where the tensor's rows are no whole number of its blocks
     * @param bytes size of its data now
     * @param error relative L2 error of the values: ‖now − before‖ / ‖before‖
     */
    public record Tensor(
            String name,
            List<Long> shape,
            TensorType from,
            TensorType to,
            TensorType wanted,
            long bytes,
            double error) {
        public Tensor {
            shape = List.copyOf(shape);
        }

        /** Whether another type had to be taken than the one that was asked for. */
        public boolean fellBack() {
            return !to.equals(wanted);
        }
    }

    public ConversionReport {
        tensors = List.copyOf(tensors);
    }
}
