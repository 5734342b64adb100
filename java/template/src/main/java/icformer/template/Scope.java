package icformer.template;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Variables by name; what it does not have is looked up in the scope around it. */
final class Scope {
    private final @Nullable Scope around;
    private final Map<String, Object> variables = new HashMap<>();
    private final Budget budget;

    Scope(Map<String, Object> variables, Budget budget) {
        this.around = null;
        this.budget = budget;
        this.variables.putAll(variables);
    }

    private Scope(Scope around) {
        this.around = around;
        this.budget = around.budget;
    }

    Scope inner() {
        return new Scope(this);
    }

    Budget budget() {
        return budget;
    }

    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.around) {
            Object value = scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return new Undefined("'" + name + "' is undefined");
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }
}
