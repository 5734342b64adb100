/**
 * Long contexts become short digests in front of a frozen, quantised LLM, on one machine.
 *
 * <p>Needs {@code --enable-native-access=icformer,icformer.bindings}.
 */
module icformer {
    requires static transitive org.jspecify;
    requires com.fasterxml.jackson.core;
    requires icformer.bindings;
    requires icformer.template;

    exports icformer;
    exports icformer.convert;
    exports icformer.error;
    exports icformer.eval;
    exports icformer.files;
    exports icformer.metadata;
    exports icformer.text;
}
