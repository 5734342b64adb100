/** Jinja as chat templates use it: Python's jinja2 as the transformers library sets it up, with a limit on what it may do. */
module icformer.template {
    requires static transitive org.jspecify;

    exports icformer.template;
}
