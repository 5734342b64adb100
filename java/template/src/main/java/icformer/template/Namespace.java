package icformer.template;

import java.util.HashMap;
import java.util.Map;

/** What {@code namespace()} makes: attributes that can be set from within loops. */
final class Namespace {
    private final Map<String, Object> attributes;

    Namespace(Map<String, Object> attributes) {
        this.attributes = new HashMap<>(attributes);
    }

    Object get(String name) {
        Object value = attributes.get(name);
        return value != null ? value : new Undefined("the namespace has no attribute '" + name + "'");
    }

    void set(String name, Object value) {
        attributes.put(name, value);
    }
}
