/**
 * Long contexts become short digests in front of a frozen, quantised LLM, on one machine.
 *
 * <p>Needs {@code --enable-native-access=icformer,icformer.bindings}.
 */
@SuppressWarnings("module") // the command line is compiled after the library
module icformer {
    requires static transitive org.jspecify;
    requires com.fasterxml.jackson.core;
    requires icformer.bindings;
    requires icformer.template;

    exports icformer;
    exports icformer.internal.format to
            icformer.cli;
}
