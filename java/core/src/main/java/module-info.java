/**
 * Long contexts become short digests in front of a frozen, quantised LLM, on one machine.
 *
 * <p>Needs {@code --enable-native-access=icformer,icformer.bindings}.
 */
@SuppressWarnings("requires-automatic")
module icformer {
    requires static transitive org.jspecify;
    requires com.fasterxml.jackson.core;
    requires icformer.bindings;
    requires pickle;

    exports icformer;
}
