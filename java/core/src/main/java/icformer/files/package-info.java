/**
 * File formats: safetensors, GGUF and PyTorch checkpoints.
 *
 * <p>GGUF files are read by the native library, the one parser of that format, by descriptor. The other readers map their
 * files and hand out slices of the mapping, so that a checkpoint of any size costs address space and no heap. Whatever a file claims about itself (lengths, offsets, shapes, types) is checked against the file before
 * it is used; a file that lies is an {@link icformer.error.ModelFileException} of {@link icformer.error.Status#FORMAT} whose
 * message names the file and the claim. Writers go through {@link icformer.files.AtomicFile}.
 */
@NullMarked
package icformer.files;

import org.jspecify.annotations.NullMarked;
