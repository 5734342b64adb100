/** The command line {@code icf}: one class per command. */
module icformer.cli {
    requires com.fasterxml.jackson.core;
    requires icformer;
    requires info.picocli;
    requires me.tongfei.progressbar;
    requires static org.jspecify;

    opens icformer.cli to
            info.picocli;
}
