package icformer;

import icformer.internal.ffi.NativeLibrary;
import java.util.List;

/** The devices of this machine. */
public final class Devices {
    private Devices() {}

    /** All devices that can compute; the first is a CPU. */
    public static List<Device> all() {
        return List.copyOf(NativeLibrary.devices());
    }
}
