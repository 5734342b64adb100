package icformer;

import icformer.internal.ffi.NativeLibrary;
import java.util.List;
import java.util.stream.IntStream;

/** The devices of this machine. */
public final class Devices {
    private Devices() {}

    /** All devices that can compute; the first is a CPU. */
    public static List<Device> all() {
        List<NativeLibrary.DeviceInfo> devices = NativeLibrary.devices();
        return IntStream.range(0, devices.size())
                .mapToObj(index -> device(index, devices.get(index)))
                .toList();
    }

    private static Device device(int index, NativeLibrary.DeviceInfo info) {
        Device.Kind kind = info.isCpu() ? Device.Kind.CPU : info.isGpu() ? Device.Kind.GPU : Device.Kind.OTHER;
        return new Device(
                index, kind, info.name(), info.description(), info.backend(), info.memoryTotal(), info.memoryFree());
    }
}
