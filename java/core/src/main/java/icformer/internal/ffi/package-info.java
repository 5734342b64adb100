/**
 * The native library: how it is found and loaded, its handles, and its calls. The only package that touches the generated
 * bindings.
 *
 * <p>Calls of a {@link icformer.internal.ffi.NativeHandle} are made between its {@code enter} or {@code hold} and the
 * matching release, so that no call overlaps the close of its handle, and no two calls use one scratch memory. Nothing is
 * allocated by the calls of the decode path.
 */
@NullMarked
package icformer.internal.ffi;

import org.jspecify.annotations.NullMarked;
