package icformer.template;

/**
 * The value of what is not there: empty and false, and next to nothing can be done with it.
 *
 * @param reason what is not there, for messages
 */
record Undefined(String reason) {
    /** An attribute that templates must not touch: it prints as nothing, and cannot be used. */
    static Undefined unsafe(Object value, String name) {
        return new Undefined("access to attribute '" + name + "' of '" + Values.type(value) + "' object is unsafe.");
    }

    static Undefined missing(Object value, Object name) {
        String owner = value == None.NONE ? "None" : "'" + Values.type(value) + " object'";
        String what = name instanceof String ? " has no attribute '" + name + "'" : " has no element " + Repr.brief(name);
        return new Undefined(owner + what);
    }

    TemplateException failure() {
        return TemplateException.error("%s", reason);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Undefined;
    }

    @Override
    public int hashCode() {
        return 0;
    }
}
