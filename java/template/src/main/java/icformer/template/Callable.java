package icformer.template;

/** What a template can call: a function, a macro, or a method of a value. */
interface Callable {
    Object call(Arguments arguments, Budget budget);
}
