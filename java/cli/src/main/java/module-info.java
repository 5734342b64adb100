/** The command line {@code icf}: one class per command, in a package for each group of them. */
module icformer.cli {
    requires com.fasterxml.jackson.core;
    requires icformer;
    requires info.picocli;
    requires me.tongfei.progressbar;
    requires static org.jspecify;

    opens icformer.cli to
            info.picocli;
    opens icformer.cli.answer to
            info.picocli;
    opens icformer.cli.bench to
            info.picocli;
    opens icformer.cli.command to
            info.picocli;
    opens icformer.cli.dump to
            info.picocli;
    opens icformer.cli.eval to
            info.picocli;
    opens icformer.cli.files to
            info.picocli;
}
