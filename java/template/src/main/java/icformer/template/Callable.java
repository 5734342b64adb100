package icformer.template;

/** What a template can call: a function, a macro, or a method of a value. */
interface Callable {
    /** @param scope where the call stands */
    Object call(Arguments arguments, Scope scope);
}
