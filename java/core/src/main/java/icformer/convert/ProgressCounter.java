package icformer.convert;

/** Counts written elements and tells a listener. */
final class ProgressCounter {
    private final long total;
    private final ConversionReport.Progress progress;
    private long done;

    ProgressCounter(long total, ConversionReport.Progress progress) {
        this.total = total;
        this.progress = progress;
    }

    void add(long elements) {
        done += elements;
        progress.onElements(done, total);
    }
}
