package icformer.cli.console;

import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** A progress bar on standard error, where that is a terminal; otherwise nothing. */
public final class Progress implements AutoCloseable {
    private static final int WIDTH = 80;
    private static final int UPDATE_MILLIS = 200;

    private final Streams streams;
    private final String task;
    private final String unit;
    private final long unitSize;
    private @Nullable ProgressBar bar;

    /**
     * A bar that appears with the first step.
     *
     * @param task what is done
     * @param unit what is counted
     * @param unitSize steps of a unit
     */
    public Progress(Streams streams, String task, String unit, long unitSize) {
        this.streams = streams;
        this.task = task;
        this.unit = unit;
        this.unitSize = unitSize;
    }

    /** Shows how much is done. */
    public void update(long done, long total) {
        if (!streams.isTerminal()) {
            return;
        }
        if (bar == null) {
            bar = new ProgressBarBuilder()
                    .setTaskName(task)
                    .setUnit(unit, unitSize)
                    .setInitialMax(total)
                    .setStyle(ProgressBarStyle.ASCII)
                    .setUpdateIntervalMillis(UPDATE_MILLIS)
                    .setConsumer(new ConsoleProgressBarConsumer(streams.errorStream(), WIDTH))
                    .build();
        }
        bar.stepTo(done);
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
